"""Open deals are found among all that ever were open, and what turned since a moment by an index that nothing else looks at."""

from __future__ import annotations

from shared.kit.alembic import indexes

revision = "0020"
down_revision = "0019"

TURNED = """
    entries USING brin ((valid_from AT TIME ZONE 'UTC'), (valid_to AT TIME ZONE 'UTC'))
    WITH (pages_per_range = 32, autosummarize = on)"""
OPEN_DEALS = "entries (expected_day) WHERE measure = 'opportunity_open' AND valid_to IS NULL"


def upgrade() -> None:
    """Whether an entry holds is asked by every question that reads entries, and pages that may hold some that do are all of them:
    the index is over what only the other question asks for. What 0016 made before goes, whole or broken off."""
    indexes.build(
        "metrics",
        {"entries_turned": TURNED.strip(), "entries_open_deals": OPEN_DEALS},
        instead_of=("entries_held", f"entries_held{indexes.NEXT}"),
    )


def downgrade() -> None:
    """All are looked through."""
    indexes.drop("metrics", "entries_open_deals", "entries_turned")
