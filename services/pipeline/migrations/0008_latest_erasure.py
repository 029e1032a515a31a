"""The latest erasure is found without reading the others: each batch asks for its moment."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Indexes them by time."""
    op.execute("CREATE INDEX erasures_until ON pipeline.erasures (until)")


def downgrade() -> None:
    """Leaves them unindexed."""
    op.execute("DROP INDEX pipeline.erasures_until")
