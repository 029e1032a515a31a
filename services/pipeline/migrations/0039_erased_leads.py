"""A lead's row says that it was erased and nobody is known again since."""

from __future__ import annotations

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of those who were erased before, whoever nothing is known of by any of their ids."""
    op.execute("ALTER TABLE pipeline.leads ADD COLUMN erased boolean NOT NULL DEFAULT false")
    op.execute(
        """
        UPDATE pipeline.leads l SET erased = true
        WHERE l.lead_id IN (
            SELECT one.root_id FROM pipeline.erased e JOIN pipeline.leads one ON e.name = CAST(one.lead_id AS text)
        ) AND NOT EXISTS (
            SELECT FROM pipeline.leads other WHERE other.root_id = l.lead_id AND other.personal <> '{}'
        )"""
    )


def downgrade() -> None:
    """It is looked for in the stories again."""
    op.execute("ALTER TABLE pipeline.leads DROP COLUMN erased")
