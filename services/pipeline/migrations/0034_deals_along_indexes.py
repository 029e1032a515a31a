"""Opportunities of a unit, an owner or a stage are read along an index; all of them along one that is used for nothing else."""

from __future__ import annotations

from shared.kit.alembic import indexes

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

BEFORE = {"opportunities_listed": "opened_at, business_unit, opportunity_id"}
NOW = {
    "opportunities_in_order": "(opened_at AT TIME ZONE 'UTC'), opportunity_id, business_unit",
    "opportunities_of_unit": "business_unit, status, opened_at, opportunity_id",
    "opportunities_of_owner": "owner, status, opened_at, opportunity_id, business_unit",
    "opportunities_of_stage": "stage, status, opened_at, opportunity_id, business_unit",
}


def upgrade() -> None:
    """Those that are new first."""
    _instead(BEFORE, NOW)


def downgrade() -> None:
    """Lists are sorted again."""
    _instead(NOW, BEFORE)


def _instead(old: dict[str, str], new: dict[str, str]) -> None:
    made = {name: f"opportunities ({columns})" for name, columns in new.items()}
    indexes.build("pipeline", made, instead_of=list(old))
