"""Reports that somebody saved, and which periods of which reports were sent where."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Reports by owner and name; a schedule since it was first seen; a row for each period that it has to tell."""
    op.execute(
        """
        CREATE TABLE metrics.reports (
            owner text NOT NULL,
            name text NOT NULL,
            report jsonb NOT NULL,
            saved_at timestamptz NOT NULL,
            PRIMARY KEY (owner, name)
        )"""
    )
    op.execute(
        """
        CREATE TABLE metrics.report_schedules (
            owner text NOT NULL,
            report text NOT NULL,
            delivery text NOT NULL,
            since timestamptz NOT NULL,
            PRIMARY KEY (owner, report, delivery)
        )"""
    )
    op.execute(
        """
        CREATE TABLE metrics.report_deliveries (
            delivery_id uuid PRIMARY KEY,
            owner text NOT NULL,
            report text NOT NULL,
            delivery text NOT NULL,
            first_day date NOT NULL,
            after_day date NOT NULL,
            due_at timestamptz NOT NULL,
            state text NOT NULL,
            attempts integer NOT NULL,
            next_try_at timestamptz NOT NULL,
            done_at timestamptz,
            error text
        )"""
    )
    op.execute("CREATE INDEX report_deliveries_due ON metrics.report_deliveries (next_try_at) WHERE state = 'due'")


def downgrade() -> None:
    """Nobody is sent anything."""
    for table in ("report_deliveries", "report_schedules", "reports"):
        op.execute(f"DROP TABLE metrics.{table}")
