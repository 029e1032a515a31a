"""Quarantine: payloads that could not be taken, and who did what with them."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE capture.quarantine (
        id uuid PRIMARY KEY,
        received_at timestamptz NOT NULL,
        last_received_at timestamptz NOT NULL,
        times bigint NOT NULL,
        sender text NOT NULL,
        business_unit text,
        channel text,
        kind text NOT NULL,
        reason text NOT NULL,
        faults jsonb NOT NULL,
        submission jsonb NOT NULL,
        size_bytes bigint NOT NULL,
        whole boolean NOT NULL,
        key text,
        payload bytea,
        mended bytea,
        identities text[] NOT NULL,
        status text NOT NULL,
        settled_at timestamptz,
        event_id uuid
    )""",
    "CREATE INDEX quarantine_open ON capture.quarantine (received_at, id) WHERE status = 'open'",
    "CREATE INDEX quarantine_kept ON capture.quarantine (received_at, id) WHERE payload IS NOT NULL",
    "CREATE INDEX quarantine_by_time ON capture.quarantine (received_at, id)",
    "CREATE INDEX quarantine_identities ON capture.quarantine USING gin (identities)",
    """
    CREATE TABLE capture.quarantine_actions (
        id uuid PRIMARY KEY,
        entry_id uuid NOT NULL,
        at timestamptz NOT NULL,
        actor text NOT NULL,
        action text NOT NULL,
        note text
    )""",
    "CREATE INDEX quarantine_actions_of ON capture.quarantine_actions (entry_id)",
)


def upgrade() -> None:
    """Makes both tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Forgets them."""
    op.execute("DROP TABLE capture.quarantine_actions")
    op.execute("DROP TABLE capture.quarantine")
