"""What the log has late or not yet: late records by partition and quarter, and what each spool holds."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE capture.late_records (
        partition integer NOT NULL,
        quarter timestamptz NOT NULL,
        last_offset bigint NOT NULL,
        last_at timestamptz NOT NULL,
        PRIMARY KEY (partition, quarter)
    )""",
    """
    CREATE TABLE capture.spools (
        home text PRIMARY KEY,
        records bigint NOT NULL,
        aside bigint NOT NULL,
        aside_until timestamptz,
        noted_at timestamptz NOT NULL
    )""",
)


def upgrade() -> None:
    """Makes the tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Forgets both."""
    op.execute("DROP TABLE capture.spools")
    op.execute("DROP TABLE capture.late_records")
