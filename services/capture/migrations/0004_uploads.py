"""Uploaded files: the job that each is, the rows it has met, and those that were refused."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE capture.uploads (
        upload_id uuid PRIMARY KEY,
        sender text NOT NULL,
        may_backdate boolean NOT NULL,
        rows_per_second_allowed double precision,
        home text NOT NULL,
        filename text NOT NULL,
        options jsonb NOT NULL,
        bytes bigint NOT NULL,
        digest text NOT NULL,
        status text NOT NULL,
        worker uuid,
        leased_until timestamptz,
        last_error jsonb,
        form text,
        encoding text,
        position_byte bigint NOT NULL DEFAULT 0,
        position_line bigint NOT NULL DEFAULT 0,
        rows_total bigint,
        rows_read bigint NOT NULL DEFAULT 0,
        rows_per_second double precision,
        accepted bigint NOT NULL DEFAULT 0,
        duplicate bigint NOT NULL DEFAULT 0,
        rejected bigint NOT NULL DEFAULT 0,
        quarantined bigint NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL,
        started_at timestamptz,
        ended_at timestamptz,
        updated_at timestamptz NOT NULL,
        file_deleted_at timestamptz
    ) WITH (fillfactor = 70)""",
    "CREATE INDEX uploads_open ON capture.uploads (home, created_at) WHERE status IN ('waiting', 'running')",
    "CREATE INDEX uploads_by_sender ON capture.uploads (sender, created_at)",
    # Which events of which line: what a job has met before, also in a life that was cut short.
    """
    CREATE TABLE capture.upload_rows (
        upload_id uuid NOT NULL,
        event_id uuid NOT NULL,
        line bigint NOT NULL,
        known boolean NOT NULL,
        PRIMARY KEY (upload_id, event_id)
    )""",
    """
    CREATE TABLE capture.upload_faults (
        upload_id uuid NOT NULL,
        place bigint NOT NULL,
        line bigint NOT NULL,
        field text NOT NULL,
        fault text NOT NULL,
        fix text NOT NULL,
        PRIMARY KEY (upload_id, place)
    )""",
)


def upgrade() -> None:
    """Makes the tables. None of them holds what is in a file."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Forgets the jobs; what they brought in stays on the log."""
    for table in ("upload_faults", "upload_rows", "uploads"):
        op.execute(f"DROP TABLE capture.{table}")
