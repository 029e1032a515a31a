"""Visitors are told of, each once a day and place."""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A row for each that was told. By which way, may be said in more words than a key of an index holds: `way` stands for them."""
    op.execute(
        """
        CREATE TABLE pipeline.visits (
            visitor uuid NOT NULL,
            day date NOT NULL,
            channel text NOT NULL,
            source text NOT NULL,
            campaign text NOT NULL,
            way uuid NOT NULL,
            first_at timestamptz NOT NULL,
            PRIMARY KEY (visitor, day, way)
        )"""
    )
    op.execute("CREATE INDEX visits_of_day ON pipeline.visits (day)")


def downgrade() -> None:
    """Nobody remembers."""
    op.execute("DROP TABLE pipeline.visits")
