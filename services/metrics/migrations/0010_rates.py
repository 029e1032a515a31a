"""Exchange rates."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """A row for each pair and day; said again, it is another rate of the same."""
    op.execute(
        """
        CREATE TABLE metrics.rates (
            currency text NOT NULL,
            into_currency text NOT NULL,
            day date NOT NULL,
            rate numeric NOT NULL,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (currency, into_currency, day)
        )"""
    )


def downgrade() -> None:
    """Nobody remembers."""
    op.execute("DROP TABLE metrics.rates")
