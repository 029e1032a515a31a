"""What was learned since a moment is found without reading every fact."""

from __future__ import annotations

from shared.kit.alembic import indexes

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Facts come nearly in the order in which they were learned: ranges of pages tell enough, and cost a fold nothing."""
    learned = "facts USING brin (recorded_at) WITH (pages_per_range = 32, autosummarize = on)"
    indexes.build("metrics", {"facts_recorded": learned})
