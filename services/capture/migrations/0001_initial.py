"""API keys, receipts of what is on the log, and counts by hour."""

from __future__ import annotations

from alembic import op

from shared.kit.migrations import create_delivery_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the schema's first tables. Nothing of intake waits for any of them."""
    create_delivery_tables(op, "capture")
    op.execute(
        """
        CREATE TABLE capture.api_keys (
            prefix text PRIMARY KEY,
            digest text NOT NULL UNIQUE,
            sender text NOT NULL,
            scopes text[] NOT NULL,
            rate_per_second double precision,
            created_at timestamptz NOT NULL,
            expires_at timestamptz,
            revoked_at timestamptz,
            replaced_by text,
            last_used_at timestamptz
        )"""
    )
    # Every change of a key adds one here, so that one row tells whether there is anything new.
    op.execute("CREATE TABLE capture.key_changes (id smallint PRIMARY KEY, changes bigint NOT NULL)")
    op.execute("INSERT INTO capture.key_changes (id, changes) VALUES (1, 0)")
    op.execute(
        """
        CREATE TABLE capture.receipts (
            event_id uuid PRIMARY KEY,
            digest bigint NOT NULL,
            hour timestamptz NOT NULL,
            sender text NOT NULL,
            business_unit text NOT NULL,
            kind text NOT NULL
        )"""
    )
    op.execute("CREATE INDEX receipts_by_hour ON capture.receipts (hour, sender)")
    op.execute(
        """
        CREATE TABLE capture.log_counts (
            hour timestamptz NOT NULL,
            sender text NOT NULL,
            business_unit text NOT NULL,
            kind text NOT NULL,
            published bigint NOT NULL,
            accepted bigint NOT NULL,
            duplicates bigint NOT NULL,
            conflicts bigint NOT NULL,
            PRIMARY KEY (hour, sender, business_unit, kind)
        ) WITH (fillfactor = 80)"""
    )
    op.execute(
        """
        CREATE TABLE capture.door_counts (
            hour timestamptz NOT NULL,
            sender text NOT NULL,
            kind text NOT NULL,
            outcome text NOT NULL,
            items bigint NOT NULL,
            PRIMARY KEY (hour, sender, kind, outcome)
        ) WITH (fillfactor = 80)"""
    )


def downgrade() -> None:
    """Forgets what this service keeps; intake does not mind."""
    for table in ("door_counts", "log_counts", "receipts", "key_changes", "api_keys"):
        op.execute(f"DROP TABLE capture.{table}")
    for table in ("dead_letters", "outbox", "consumer_offsets"):
        op.execute(f"DROP TABLE capture.{table}")
