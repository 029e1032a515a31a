"""Leads that a record contradicted are found without reading the others."""

from __future__ import annotations

from alembic import op

from shared.kit.alembic import indexes

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Indexes the few there are."""
    indexes.build("pipeline", {"leads_contradicted": "leads (root_id) WHERE conflicts > 0"})


def downgrade() -> None:
    """Leaves them unindexed."""
    op.execute("DROP INDEX pipeline.leads_contradicted")
