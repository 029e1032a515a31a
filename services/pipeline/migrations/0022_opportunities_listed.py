"""Opportunities are listed in the order in which they were opened, along an index."""

from __future__ import annotations

from alembic import op

from shared.kit.alembic import indexes

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One index for every unit."""
    listed = "opportunities (opened_at, business_unit, opportunity_id)"
    indexes.build("pipeline", {"opportunities_listed": listed})


def downgrade() -> None:
    """Lists are sorted again."""
    op.execute("DROP INDEX pipeline.opportunities_listed")
