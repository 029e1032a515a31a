"""The latest erasure is found without reading the others: each batch asks for its moment."""

from __future__ import annotations

from shared.kit.alembic import indexes

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Indexes them by time."""
    indexes.build("pipeline", {"erasures_until": "erasures (until)"})


def downgrade() -> None:
    """Leaves them unindexed."""
    indexes.drop("pipeline", "erasures_until")
