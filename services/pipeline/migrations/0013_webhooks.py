"""Others follow what happens here: whom, what they are to hear, and how far that has come."""

from __future__ import annotations

from alembic import op

from shared.kit.alembic import indexes

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables, and an index that finds history by when it was recorded and costs its writers next to nothing."""
    indexes.build("pipeline", {"history_recorded": "history USING brin (recorded_at) WITH (autosummarize = on)"})
    op.execute(
        """
        CREATE TABLE pipeline.webhook_endpoints (
            endpoint_id uuid PRIMARY KEY,
            business_unit text NOT NULL,
            url text NOT NULL,
            events text[] NOT NULL,
            personal boolean NOT NULL,
            historical boolean NOT NULL,
            description text NOT NULL,
            state text NOT NULL,
            disabled_reason text,
            secrets jsonb NOT NULL,
            not_before timestamptz,
            failures integer NOT NULL,
            failing_since timestamptz,
            succeeded_at timestamptz,
            missed_since timestamptz,
            replay_from timestamptz,
            replay_until timestamptz,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL
        )"""
    )
    op.execute(
        """
        CREATE TABLE pipeline.webhook_feed (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            frame bytea NOT NULL
        ) WITH (autovacuum_vacuum_scale_factor = 0.02)"""
    )
    op.execute(
        """
        CREATE TABLE pipeline.webhook_deliveries (
            endpoint_id uuid NOT NULL,
            lead_id uuid NOT NULL,
            version integer NOT NULL,
            event_id uuid NOT NULL,
            event text NOT NULL,
            status text NOT NULL,
            attempts integer NOT NULL,
            queued_at timestamptz NOT NULL,
            next_at timestamptz NOT NULL,
            settled_at timestamptz,
            last_status integer,
            last_error text,
            PRIMARY KEY (endpoint_id, lead_id, version)
        ) WITH (autovacuum_vacuum_scale_factor = 0.02)"""
    )
    op.execute(
        """
        CREATE INDEX webhook_deliveries_due ON pipeline.webhook_deliveries (endpoint_id, next_at)
            WHERE status = 'waiting'"""
    )
    op.execute(
        "CREATE INDEX webhook_deliveries_settled ON pipeline.webhook_deliveries (endpoint_id, status, settled_at)"
    )


def downgrade() -> None:
    """Nobody is told any more; the history stays."""
    op.execute("DROP INDEX pipeline.history_recorded")
    for table in ("webhook_deliveries", "webhook_feed", "webhook_endpoints"):
        op.execute(f"DROP TABLE pipeline.{table}")
