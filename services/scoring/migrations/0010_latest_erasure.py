"""Whether anything of a batch can be erased is known without reading who was."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Indexes them by time."""
    op.execute("CREATE INDEX erased_until ON scoring.erased (until)")


def downgrade() -> None:
    """Leaves them unindexed."""
    op.execute("DROP INDEX scoring.erased_until")
