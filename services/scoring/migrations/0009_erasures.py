"""Whose touches say no more who did them."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.execute(
        """
        CREATE TABLE scoring.erased (
            name text PRIMARY KEY,
            until timestamptz NOT NULL,
            erasure_id uuid NOT NULL,
            erased_at timestamptz NOT NULL
        )
        """
    )


def downgrade() -> None:
    """Forgets who was erased."""
    op.execute("DROP TABLE scoring.erased")
