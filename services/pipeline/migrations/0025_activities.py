"""What was done with leads is listed, newest first: of everybody, of a unit, of an owner, of a lead."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table, of what the history tells so far."""
    op.execute(
        """
        CREATE TABLE pipeline.activities (
            event_id uuid NOT NULL,
            lead_id uuid NOT NULL,
            business_unit text NOT NULL,
            kind text NOT NULL,
            owner text,
            occurred_at timestamptz NOT NULL,
            outcome text,
            PRIMARY KEY (event_id, lead_id)
        )"""
    )
    op.execute(
        """
        INSERT INTO pipeline.activities (event_id, lead_id, business_unit, kind, owner, occurred_at, outcome)
        SELECT h.event_id, h.lead_id, l.business_unit,
            CASE h.event WHEN 'ContactAttempted' THEN h.data ->> 'kind' ELSE 'task' END,
            coalesce(h.data ->> 'owner', h.data ->> 'actor'), h.occurred_at,
            coalesce(h.data ->> 'outcome', (
                SELECT e.data ->> 'outcome' FROM pipeline.history e
                WHERE h.data ->> 'message_id' IS NOT NULL AND e.lead_id = h.lead_id AND e.event = 'ContactAttempted'
                    AND e.data ->> 'message_id' = h.data ->> 'message_id' AND e.data ->> 'outcome' IS NOT NULL
                ORDER BY e.version DESC LIMIT 1))
        FROM pipeline.history h JOIN pipeline.leads l USING (lead_id)
        WHERE h.event = 'ContactAttempted' AND (h.data ->> 'message_id' IS NULL OR h.data ->> 'outcome' IS NULL)
            OR h.event = 'FollowUpDone' AND coalesce(h.data ->> 'outcome', '') NOT IN ('sent', 'skipped')
                AND NOT EXISTS (SELECT FROM pipeline.history c WHERE c.lead_id = h.lead_id AND c.event_id = h.causation_id)"""
    )
    op.execute("CREATE INDEX activities_latest ON pipeline.activities (occurred_at, event_id, lead_id)")
    op.execute("CREATE INDEX activities_of_unit ON pipeline.activities (business_unit, occurred_at, event_id, lead_id)")
    op.execute("CREATE INDEX activities_of_owner ON pipeline.activities (owner, occurred_at, event_id, lead_id)")
    op.execute("CREATE INDEX activities_of_lead ON pipeline.activities (lead_id, occurred_at, event_id)")


def downgrade() -> None:
    """The history still has them."""
    op.execute("DROP TABLE pipeline.activities")
