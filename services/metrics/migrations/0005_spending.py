"""What was spent."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """A row for each time, thing and place; said again, it is another amount of the same."""
    op.execute(
        """
        CREATE TABLE metrics.spending (
            spend_id uuid PRIMARY KEY,
            business_unit text NOT NULL,
            kind text NOT NULL,
            channel text,
            source text,
            campaign text,
            first_day date NOT NULL,
            after_day date NOT NULL,
            amount numeric NOT NULL,
            currency text NOT NULL,
            recorded_at timestamptz NOT NULL
        )"""
    )
    op.execute("CREATE INDEX spending_days ON metrics.spending (after_day, first_day)")


def downgrade() -> None:
    """Nobody remembers."""
    op.execute("DROP TABLE metrics.spending")
