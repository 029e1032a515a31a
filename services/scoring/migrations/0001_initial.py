"""The ledger of touches, who each is counted for, and the leads."""

from __future__ import annotations

from alembic import op

from shared.kit.migrations import create_delivery_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables."""
    create_delivery_tables(op, "scoring")
    op.execute(
        """
        CREATE TABLE scoring.touches (
            lead_id uuid NOT NULL,
            event_id uuid NOT NULL,
            occurred_at timestamptz NOT NULL,
            channel text NOT NULL,
            kind text,
            email boolean NOT NULL,
            phone boolean NOT NULL,
            company boolean NOT NULL,
            job_title text,
            country text,
            language text,
            source text,
            product text,
            campaign text,
            consents jsonb,
            attributes jsonb,
            attached_to uuid,
            PRIMARY KEY (lead_id, event_id)
        )
        """
    )
    op.execute("CREATE INDEX touches_event_id ON scoring.touches (event_id)")
    op.execute("CREATE INDEX touches_attached_to ON scoring.touches (attached_to) WHERE attached_to IS NOT NULL")
    op.execute(
        """
        CREATE TABLE scoring.attachments (
            lead_id uuid NOT NULL,
            event_id uuid NOT NULL,
            attached_to uuid NOT NULL,
            PRIMARY KEY (lead_id, event_id)
        )
        """
    )
    # Room on each page lets a new score replace the old one without touching an index.
    op.execute(
        """
        CREATE TABLE scoring.leads (
            lead_id uuid PRIMARY KEY,
            business_unit text NOT NULL,
            root_id uuid NOT NULL,
            known boolean NOT NULL,
            merged_into uuid,
            merge_version bigint NOT NULL,
            merge_occurred_at timestamptz,
            score integer,
            grade text,
            fit integer,
            engagement integer,
            reasons jsonb,
            policy_version text,
            scored_occurred_at timestamptz,
            scored_at timestamptz
        ) WITH (fillfactor = 80)
        """
    )
    op.execute("CREATE INDEX leads_merged ON scoring.leads (root_id) WHERE root_id <> lead_id")


def downgrade() -> None:
    """Forgets everything this service knows."""
    for table in ("leads", "attachments", "touches", "dead_letters", "outbox", "consumer_offsets"):
        op.execute(f"DROP TABLE scoring.{table}")
