"""Facts, who is who, entries, rollups, progress."""

from __future__ import annotations

from alembic import op

from shared.kit.migrations import create_delivery_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the schema's first tables."""
    op.execute("CREATE SCHEMA IF NOT EXISTS metrics")
    create_delivery_tables(op, "metrics")
    op.execute(
        """
        CREATE TABLE metrics.facts (
            lead_id uuid NOT NULL,
            event_id uuid NOT NULL,
            version integer NOT NULL,
            event text NOT NULL,
            occurred_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            causation_id uuid,
            business_unit text NOT NULL,
            data jsonb NOT NULL,
            PRIMARY KEY (lead_id, event_id)
        )"""
    )
    op.execute("CREATE INDEX facts_causation ON metrics.facts (causation_id) WHERE causation_id IS NOT NULL")
    op.execute("CREATE INDEX facts_event ON metrics.facts (event_id)")
    op.execute(
        """
        CREATE TABLE metrics.leads (
            lead_id uuid PRIMARY KEY,
            root_id uuid NOT NULL,
            parent_id uuid,
            link_version integer NOT NULL
        )"""
    )
    op.execute("CREATE INDEX leads_root ON metrics.leads (root_id) WHERE root_id <> lead_id")
    op.execute(
        """
        CREATE TABLE metrics.entries (
            root_id uuid NOT NULL,
            key text NOT NULL,
            valid_from timestamptz NOT NULL,
            valid_to timestamptz,
            measure text NOT NULL,
            business_unit text NOT NULL,
            at timestamptz NOT NULL,
            day date NOT NULL,
            cohort_at timestamptz NOT NULL,
            cohort_day date NOT NULL,
            channel text,
            source text,
            campaign text,
            product text,
            owner text,
            team text,
            grade text,
            stage text,
            reason text,
            duration_seconds double precision,
            negative boolean NOT NULL,
            amount numeric,
            currency text,
            PRIMARY KEY (root_id, key, valid_from)
        )"""
    )
    op.execute("CREATE INDEX entries_period ON metrics.entries (measure, day)")
    op.execute("CREATE INDEX entries_cohort ON metrics.entries (measure, cohort_day)")
    op.execute(
        """
        CREATE TABLE metrics.rollups (
            measure text NOT NULL,
            dimension text NOT NULL,
            day date NOT NULL,
            business_unit text NOT NULL,
            value text NOT NULL,
            age_days integer NOT NULL,
            currency text NOT NULL,
            count bigint NOT NULL,
            durations bigint NOT NULL,
            duration_microseconds bigint NOT NULL,
            amount numeric NOT NULL,
            PRIMARY KEY (measure, dimension, day, business_unit, value, age_days, currency)
        )"""
    )
    op.execute(
        """
        CREATE TABLE metrics.progress (
            partition integer PRIMARY KEY,
            facts bigint NOT NULL,
            recorded_at timestamptz NOT NULL,
            occurred_at timestamptz NOT NULL,
            folded_at timestamptz NOT NULL
        )"""
    )


def downgrade() -> None:
    """Forgets everything this service keeps."""
    for table in ("progress", "rollups", "entries", "leads", "facts", "dead_letters", "outbox", "consumer_offsets"):
        op.execute(f"DROP TABLE metrics.{table}")
