"""Leads are found by words of what is known of them, which stand beside it in the same row."""

from __future__ import annotations

from alembic import op

from shared.kit.alembic import indexes

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column and its index. Who is there already is given words by the service, which is what makes them."""
    op.execute("ALTER TABLE pipeline.leads ADD COLUMN IF NOT EXISTS words tsvector")
    # New entries are put together before they go into the tree, and no more than a batch or two of them, so that nobody
    # waits for long when they do.
    found = "leads USING gin (words) WITH (gin_pending_list_limit = 256)"
    indexes.build("pipeline", {"leads_words": found, "leads_unworded": "leads (lead_id) WHERE words IS NULL"})


def downgrade() -> None:
    """The words can be made again."""
    op.execute("ALTER TABLE pipeline.leads DROP COLUMN words")
