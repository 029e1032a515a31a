"""How audits ended."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """A row for each audit and each thing it checked."""
    op.execute(
        """
        CREATE TABLE metrics.audits (
            audit_id uuid NOT NULL,
            "check" text NOT NULL,
            finished_at timestamptz NOT NULL,
            checked bigint NOT NULL,
            different bigint NOT NULL,
            PRIMARY KEY (audit_id, "check")
        )"""
    )


def downgrade() -> None:
    """Nobody remembers."""
    op.execute("DROP TABLE metrics.audits")
