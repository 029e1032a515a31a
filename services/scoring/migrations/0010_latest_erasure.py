"""Whether anything of a batch can be erased is known without reading who was."""

from __future__ import annotations

from shared.kit.alembic import indexes

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Indexes them by time."""
    indexes.build("scoring", {"erased_until": "erased (until)"})


def downgrade() -> None:
    """Leaves them unindexed."""
    indexes.drop("scoring", "erased_until")
