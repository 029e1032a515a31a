"""A bulk job notes for whose credentials it goes on."""

from __future__ import annotations

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Jobs from before go on for nobody in particular."""
    op.execute("ALTER TABLE pipeline.bulk_jobs ADD COLUMN vouched_by text, ADD COLUMN stopped text")


def downgrade() -> None:
    """Whose they are is not known any more."""
    op.execute("ALTER TABLE pipeline.bulk_jobs DROP COLUMN vouched_by, DROP COLUMN stopped")
