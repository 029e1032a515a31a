"""Who was erased, so that quarantine keeps nothing of them that was received before."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.execute(
        """
        CREATE TABLE capture.erased (
            name text PRIMARY KEY,
            until timestamptz NOT NULL,
            erasure_id uuid NOT NULL
        )"""
    )


def downgrade() -> None:
    """Forgets who was erased."""
    op.execute("DROP TABLE capture.erased")
