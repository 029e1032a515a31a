"""What a model says of a lead stands beside its score, for whoever works on it."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column."""
    op.execute("ALTER TABLE pipeline.leads ADD COLUMN probability double precision")


def downgrade() -> None:
    """Scoring still knows it."""
    op.execute("ALTER TABLE pipeline.leads DROP COLUMN probability")
