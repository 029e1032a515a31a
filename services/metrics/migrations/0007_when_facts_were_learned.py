"""What was learned since a moment is found without reading every fact."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Facts come nearly in the order in which they were learned: ranges of pages tell enough, and cost a fold nothing."""
    op.execute(
        "CREATE INDEX facts_recorded ON metrics.facts USING brin (recorded_at) WITH (pages_per_range = 32, autosummarize = on)"
    )
