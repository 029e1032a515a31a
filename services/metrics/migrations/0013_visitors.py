"""Who was there, each once a day and place, and who is nobody's any more."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Facts of their own: no lead's."""
    op.execute(
        """
        CREATE TABLE metrics.visitors (
            event_id uuid PRIMARY KEY,
            visitor_id uuid NOT NULL,
            business_unit text NOT NULL,
            day date NOT NULL,
            at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            channel text,
            source text,
            campaign text
        )"""
    )
    op.execute("CREATE INDEX visitors_day ON metrics.visitors (day)")
    op.execute("CREATE INDEX visitors_visitor ON metrics.visitors (visitor_id)")
    op.execute(
        """
        CREATE TABLE metrics.forgotten_visitors (
            event_id uuid PRIMARY KEY,
            until timestamptz NOT NULL,
            forgotten integer NOT NULL
        )"""
    )


def downgrade() -> None:
    """Nobody remembers."""
    op.execute("DROP TABLE metrics.forgotten_visitors")
    op.execute("DROP TABLE metrics.visitors")
