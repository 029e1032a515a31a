"""Why a lead is held out, and what was said with a fact and may be personal."""

from __future__ import annotations

from alembic import op

from shared.kit.alembic import indexes

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the columns and the table. Notes that stood in the history move out of it: it is kept for ever."""
    op.execute(
        "ALTER TABLE pipeline.leads ADD COLUMN IF NOT EXISTS mark text, ADD COLUMN IF NOT EXISTS mark_version integer"
    )
    indexes.build("pipeline", {"leads_marked": "leads (mark) WHERE mark IS NOT NULL"})
    op.execute(
        """
        CREATE TABLE pipeline.asides (
            lead_id uuid NOT NULL,
            event_id uuid NOT NULL,
            said jsonb NOT NULL,
            PRIMARY KEY (lead_id, event_id)
        )"""
    )
    op.execute(
        """
        INSERT INTO pipeline.asides (lead_id, event_id, said)
        SELECT lead_id, event_id, jsonb_build_object('note', data -> 'note') FROM pipeline.history
        WHERE event = 'LeadArchived' AND data ? 'note'"""
    )
    op.execute("UPDATE pipeline.history SET data = data - 'note' WHERE event = 'LeadArchived' AND data ? 'note'")


def downgrade() -> None:
    """As it was."""
    op.execute(
        """
        UPDATE pipeline.history h SET data = h.data || a.said FROM pipeline.asides a
        WHERE h.event = 'LeadArchived' AND a.lead_id = h.lead_id AND a.event_id = h.event_id"""
    )
    op.execute("DROP TABLE pipeline.asides")
    op.execute("ALTER TABLE pipeline.leads DROP COLUMN mark, DROP COLUMN mark_version")
