"""Which leads are merged into no other is said in words of which the planner knows how many they fit, so that it walks along the
indexes of lists instead of sorting everybody; and along that of everybody only where it is asked for."""

from __future__ import annotations

from shared.kit.alembic import indexes

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

INDEXES = {
    "leads_listed": ("business_unit, status, created_at, lead_id", ""),
    "leads_in_order": ("(created_at AT TIME ZONE 'UTC'), lead_id", ""),
    "leads_of_owner": ("owner, status, created_at, lead_id", "owner IS NOT NULL AND "),
    "leads_of_campaign": ("campaign, created_at, lead_id", "campaign IS NOT NULL AND "),
    "leads_marked": ("business_unit, mark, created_at, lead_id", "mark IS NOT NULL AND "),
}

BEFORE = ("leads_listed", "leads_marked")


def upgrade() -> None:
    """A root has been merged into nobody."""
    indexes.build("pipeline", _of("merged_into IS NULL"))


def downgrade() -> None:
    """As it was said before."""
    before = _of("lead_id = root_id")
    indexes.build("pipeline", {name: before[name] for name in BEFORE}, instead_of=list(INDEXES))


def _of(roots: str) -> dict[str, str]:
    return {name: f"leads ({columns}) WHERE {more}{roots}" for name, (columns, more) in INDEXES.items()}
