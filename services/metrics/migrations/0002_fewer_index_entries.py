"""Fewer entries in indexes for each fact: what nobody asks is not kept, and an update finds room beside the old row."""

from __future__ import annotations

from alembic import op

from shared.kit.alembic import indexes

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Facts are asked for by lead and event; by cause only those that came of a captured event."""
    caused = "facts (causation_id) WHERE event IN ('LeadCreated', 'LeadTouched')"
    indexes.build("metrics", {"facts_causation": caused}, instead_of=["facts_event"])
    # Half of the entries change once, when the lead's first score comes, together with their neighbours.
    op.execute("ALTER TABLE metrics.entries SET (fillfactor = 70)")


def downgrade() -> None:
    """As it was."""
    op.execute("ALTER TABLE metrics.entries RESET (fillfactor)")
    op.execute("DROP INDEX metrics.facts_causation")
    op.execute("CREATE INDEX facts_causation ON metrics.facts (causation_id) WHERE causation_id IS NOT NULL")
    op.execute("CREATE INDEX facts_event ON metrics.facts (event_id)")
