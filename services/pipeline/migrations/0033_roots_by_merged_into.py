"""Which leads are merged into no other is said in words of which the planner knows how many they fit, so that it walks along the
indexes of lists instead of sorting everybody; and along that of everybody only where it is asked for."""

from __future__ import annotations

from alembic import op

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
    _instead(BEFORE, tuple(INDEXES), "merged_into IS NULL")


def downgrade() -> None:
    """As it was said before."""
    _instead(tuple(INDEXES), BEFORE, "lead_id = root_id")


def _instead(old: tuple[str, ...], new: tuple[str, ...], roots: str) -> None:
    """The new ones are made beside the old ones, which go at the end: until then whoever reads leads waits for nothing."""
    for name in new:
        columns, more = INDEXES[name]
        op.execute(f"CREATE INDEX {name}_next ON pipeline.leads ({columns}) WHERE {more}{roots}")
    for name in old:
        op.execute(f"DROP INDEX pipeline.{name}")
    for name in new:
        op.execute(f"ALTER INDEX pipeline.{name}_next RENAME TO {name}")
