"""What numbers are wanted to be."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """A row for everything ever said about a target; none is changed."""
    op.execute(
        """
        CREATE TABLE metrics.targets (
            target_id uuid NOT NULL,
            version integer NOT NULL,
            business_unit text,
            kpi text NOT NULL,
            cut jsonb NOT NULL,
            first_day date NOT NULL,
            after_day date NOT NULL,
            starts_at timestamptz NOT NULL,
            value numeric NOT NULL,
            reading text NOT NULL,
            baseline text,
            baseline_value numeric,
            direction text NOT NULL,
            currency text,
            note text,
            set_by text NOT NULL,
            set_at timestamptz NOT NULL,
            withdrawn boolean NOT NULL,
            PRIMARY KEY (target_id, version)
        )"""
    )
    op.execute("CREATE INDEX targets_days ON metrics.targets (after_day, first_day)")


def downgrade() -> None:
    """Nobody wants anything."""
    op.execute("DROP TABLE metrics.targets")
