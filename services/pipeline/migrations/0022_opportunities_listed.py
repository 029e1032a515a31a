"""Opportunities are listed in the order in which they were opened, along an index."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One index for every unit."""
    op.execute("CREATE INDEX opportunities_listed ON pipeline.opportunities (opened_at, business_unit, opportunity_id)")


def downgrade() -> None:
    """Lists are sorted again."""
    op.execute("DROP INDEX pipeline.opportunities_listed")
