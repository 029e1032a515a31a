"""Whose data was erased, up to when, by whom and why; and what waits says what it said without saying it."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes both tables and the column."""
    op.execute(
        """
        CREATE TABLE pipeline.erasures (
            erasure_id uuid PRIMARY KEY,
            until timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            actor text NOT NULL,
            reason text NOT NULL,
            lead_ids uuid[] NOT NULL,
            erased jsonb NOT NULL
        )"""
    )
    op.execute(
        """
        CREATE TABLE pipeline.erased (
            name text PRIMARY KEY,
            until timestamptz NOT NULL,
            erasure_id uuid NOT NULL
        )"""
    )
    op.execute("CREATE INDEX erased_erasure ON pipeline.erased (erasure_id)")
    op.execute("ALTER TABLE pipeline.waiting ADD COLUMN fingerprint text")


def downgrade() -> None:
    """Forgets who was erased."""
    op.execute("ALTER TABLE pipeline.waiting DROP COLUMN fingerprint")
    op.execute("DROP TABLE pipeline.erased")
    op.execute("DROP TABLE pipeline.erasures")
