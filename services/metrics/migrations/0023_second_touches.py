"""Whether a lead had been touched a second time before something became of it is told by an index alone."""

from __future__ import annotations

from shared.kit.alembic import indexes

revision = "0023"
down_revision = "0022"

SECOND = "entries (root_id, at) WHERE measure = 'touched' AND key = 'touched:000001' AND valid_to IS NULL"


def upgrade() -> None:
    """Leads that were only touched in one place are not in it."""
    indexes.build("metrics", {"entries_second_touch": SECOND})


def downgrade() -> None:
    """Each lead's entries are looked through."""
    indexes.drop("metrics", "entries_second_touch")
