"""What deleted files were called, and the texts of their mappings, go with them: both may say whom a file is about."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Empties both where the file is deleted."""
    op.execute(
        """
        UPDATE capture.uploads SET
            filename = 'file' || coalesce(substring(filename FROM '[.][A-Za-z0-9]{1,5}$'), ''),
            options = jsonb_set(options, '{mapping}', '""', false)
        WHERE file_deleted_at IS NOT NULL"""
    )


def downgrade() -> None:
    """Nothing to take back: what is gone is gone."""
