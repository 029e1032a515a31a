"""A lead's row says that it was erased and nobody is known again since."""

from __future__ import annotations

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of those who were erased before, whoever nothing is known of by any of their ids. Only the column needs the table for itself;
    the rows of those few are found from their names, while everybody goes on."""
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE pipeline.leads ADD COLUMN IF NOT EXISTS erased boolean NOT NULL DEFAULT false")
    op.execute(
        """
        WITH ids AS MATERIALIZED (
            SELECT CAST(name AS uuid) AS lead_id FROM pipeline.erased
            WHERE name ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        )
        UPDATE pipeline.leads l SET erased = true
        WHERE l.lead_id IN (SELECT one.root_id FROM ids JOIN pipeline.leads one USING (lead_id))
            AND l.personal = '{}' AND NOT EXISTS (
                SELECT FROM pipeline.leads other
                WHERE other.root_id = l.lead_id AND other.root_id <> other.lead_id AND other.personal <> '{}'
            )"""
    )


def downgrade() -> None:
    """It is looked for in the stories again."""
    op.execute("ALTER TABLE pipeline.leads DROP COLUMN erased")
