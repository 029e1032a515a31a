"""Notes on quarantine entries that were emptied go too: they may say whom an entry was about, and nobody would find them."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Empties them."""
    op.execute(
        """
        UPDATE capture.quarantine_actions SET note = NULL
        WHERE note IS NOT NULL AND entry_id IN (SELECT id FROM capture.quarantine WHERE payload IS NULL)"""
    )


def downgrade() -> None:
    """Nothing to take back: what is gone is gone."""
