"""Fewer entries in indexes for each lead: what nobody asks is not kept, and an update finds room beside the old row."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A lead that was never merged is found by its id alone."""
    op.execute("DROP INDEX pipeline.leads_root")
    op.execute("CREATE INDEX leads_root ON pipeline.leads (root_id) WHERE root_id <> lead_id")
    op.execute("DROP INDEX pipeline.identities_lead")
    # Nearly every lead is updated once, by its first score, together with its neighbours.
    op.execute("ALTER TABLE pipeline.leads SET (fillfactor = 60)")
    # Outgoing messages come compressed; PostgreSQL need not try again.
    op.execute("ALTER TABLE pipeline.outbox ALTER COLUMN frame SET STORAGE EXTERNAL")


def downgrade() -> None:
    """As it was."""
    op.execute("ALTER TABLE pipeline.outbox ALTER COLUMN frame SET STORAGE EXTENDED")
    op.execute("ALTER TABLE pipeline.leads RESET (fillfactor)")
    op.execute("CREATE INDEX identities_lead ON pipeline.identities (lead_id)")
    op.execute("DROP INDEX pipeline.leads_root")
    op.execute("CREATE INDEX leads_root ON pipeline.leads (root_id)")
