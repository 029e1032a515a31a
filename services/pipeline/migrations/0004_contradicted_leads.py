"""Leads that a record contradicted are found without reading the others."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Indexes the few there are."""
    op.execute("CREATE INDEX leads_contradicted ON pipeline.leads (root_id) WHERE conflicts > 0")


def downgrade() -> None:
    """Leaves them unindexed."""
    op.execute("DROP INDEX pipeline.leads_contradicted")
