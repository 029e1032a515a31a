"""Fewer entries in indexes for each lead: what nobody asks is not kept, and an update finds room beside the old row."""

from __future__ import annotations

from alembic import op

from shared.kit.alembic import indexes

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A lead that was never merged is found by its id alone."""
    indexes.build(
        "pipeline", {"leads_root": "leads (root_id) WHERE root_id <> lead_id"}, instead_of=["identities_lead"]
    )
    # Nearly every lead is updated once, by its first score, together with its neighbours.
    op.execute("ALTER TABLE pipeline.leads SET (fillfactor = 60)")
    # Outgoing messages come compressed; PostgreSQL need not try again.
    op.execute("ALTER TABLE pipeline.outbox ALTER COLUMN frame SET STORAGE EXTERNAL")


def downgrade() -> None:
    """As it was."""
    op.execute("ALTER TABLE pipeline.outbox ALTER COLUMN frame SET STORAGE EXTENDED")
    op.execute("ALTER TABLE pipeline.leads RESET (fillfactor)")
    indexes.build("pipeline", {"identities_lead": "identities (lead_id)", "leads_root": "leads (root_id)"})
