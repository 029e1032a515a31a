"""Leads, their identities and stories, their deals, and what waits."""

from __future__ import annotations

from alembic import op

from shared.kit.migrations import create_delivery_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE pipeline.leads (
        lead_id uuid PRIMARY KEY,
        business_unit text NOT NULL,
        root_id uuid NOT NULL,
        merged_into uuid,
        version integer NOT NULL,
        status text NOT NULL,
        created_at timestamptz NOT NULL,
        explicit_at timestamptz,
        first_fact_at timestamptz NOT NULL,
        first_touch_at timestamptz,
        channel text,
        source text,
        medium text,
        campaign text,
        product text,
        score integer,
        grade text,
        graded_at timestamptz,
        owner text,
        team text,
        assigned_at timestamptz,
        qualified_at timestamptz,
        archived_at timestamptz,
        archived_reason text,
        conflicts integer NOT NULL,
        personal jsonb NOT NULL,
        personal_at timestamptz,
        updated_at timestamptz NOT NULL
    ) WITH (fillfactor = 80)""",
    "CREATE INDEX leads_root ON pipeline.leads (root_id)",
    "CREATE INDEX leads_by_creation ON pipeline.leads (created_at, lead_id)",
    """
    CREATE TABLE pipeline.identities (
        business_unit text NOT NULL,
        kind text NOT NULL,
        token text NOT NULL,
        lead_id uuid NOT NULL,
        PRIMARY KEY (business_unit, kind, token)
    )""",
    "CREATE INDEX identities_lead ON pipeline.identities (lead_id)",
    """
    CREATE TABLE pipeline.never_merge (
        lead_id uuid NOT NULL,
        other_id uuid NOT NULL,
        recorded_at timestamptz NOT NULL,
        PRIMARY KEY (lead_id, other_id)
    )""",
    """
    CREATE TABLE pipeline.history (
        lead_id uuid NOT NULL,
        event_id uuid NOT NULL,
        version integer NOT NULL,
        event text NOT NULL,
        occurred_at timestamptz NOT NULL,
        recorded_at timestamptz NOT NULL,
        correlation_id uuid NOT NULL,
        causation_id uuid,
        fingerprint text,
        data jsonb NOT NULL,
        PRIMARY KEY (lead_id, event_id)
    )""",
    "CREATE UNIQUE INDEX history_version ON pipeline.history (lead_id, version)",
    """
    CREATE UNIQUE INDEX history_cause ON pipeline.history (causation_id)
        WHERE event IN ('LeadCreated', 'LeadTouched', 'LeadGraded')""",
    """
    CREATE TABLE pipeline.opportunities (
        business_unit text NOT NULL,
        opportunity_id text NOT NULL,
        lead_id uuid NOT NULL,
        pipeline text,
        stage text,
        status text NOT NULL,
        amount text,
        currency text,
        product text,
        owner text,
        team text,
        opened_at timestamptz NOT NULL,
        closed_at timestamptz,
        expected_close timestamptz,
        reason text,
        updated_at timestamptz NOT NULL,
        PRIMARY KEY (business_unit, opportunity_id)
    )""",
    "CREATE INDEX opportunities_lead ON pipeline.opportunities (lead_id)",
    "CREATE INDEX opportunities_id ON pipeline.opportunities (opportunity_id)",
    """
    CREATE TABLE pipeline.waiting (
        lead_id uuid NOT NULL,
        event_id uuid NOT NULL,
        arrival bigint GENERATED ALWAYS AS IDENTITY,
        topic text NOT NULL,
        partition integer NOT NULL,
        record_offset bigint NOT NULL,
        record_timestamp timestamptz NOT NULL,
        value bytea NOT NULL,
        recorded_at timestamptz NOT NULL,
        PRIMARY KEY (lead_id, event_id)
    )""",
    "CREATE INDEX waiting_recorded ON pipeline.waiting (recorded_at)",
    "CREATE INDEX waiting_event ON pipeline.waiting (event_id)",
    """
    CREATE TABLE pipeline.waiting_identities (
        token text NOT NULL,
        lead_id uuid NOT NULL,
        event_id uuid NOT NULL,
        PRIMARY KEY (token, lead_id, event_id)
    )""",
    """
    CREATE TABLE pipeline.commands (
        command_id uuid PRIMARY KEY,
        fingerprint text NOT NULL,
        lead_id uuid NOT NULL,
        opportunity_id text,
        recorded_at timestamptz NOT NULL
    )""",
)


def upgrade() -> None:
    """Makes everything."""
    create_delivery_tables(op, "pipeline")
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    """Removes everything."""
    for table in (
        "leads",
        "identities",
        "never_merge",
        "history",
        "opportunities",
        "waiting",
        "waiting_identities",
        "commands",
        "consumer_offsets",
        "outbox",
        "dead_letters",
    ):
        op.execute(f"DROP TABLE pipeline.{table}")
