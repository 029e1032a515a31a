"""The cells of sketches lie in the order in which they are read."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Cells are added in their order from now on; those that there are lie as they came, each on a page of its own at worst. Whoever
    asks for what sketches tell waits meanwhile, and merging does; folding does not."""
    op.execute("SET LOCAL maintenance_work_mem = '256MB'")
    op.execute("SET LOCAL enable_indexscan = off")  # sorted: walking along the key goes to a page for each cell
    op.execute("CLUSTER metrics.sketches USING sketches_pkey")
    op.execute("RESET enable_indexscan")
    op.execute("ANALYZE metrics.sketches")


def downgrade() -> None:
    """They may lie in any order."""
