"""Tasks of an owner, a unit or all, activities of a kind and deliveries of each endpoint are read along an index."""

from __future__ import annotations

from shared.kit.alembic import indexes

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

BEFORE = {
    "tasks_of_lead": "tasks (lead_id) WHERE status = 'open'",
    "tasks_of_owner": "tasks (owner, due_at) WHERE status = 'open'",
}
NOW = {
    "tasks_of_lead": "tasks (lead_id, status)",
    "tasks_of_owner": "tasks (owner, status, due_at, task_id, kind)",
    "tasks_of_unit": "tasks (business_unit, status, kind, due_at, task_id)",
    "activities_of_kind": "activities (kind, occurred_at, event_id, lead_id)",
    "webhook_deliveries_listed": "webhook_deliveries (endpoint_id, status, queued_at, event_id)",
}


def upgrade() -> None:
    """Those of tasks that knew only what is open know everything."""
    indexes.build("pipeline", NOW)


def downgrade() -> None:
    """Lists are sorted again."""
    indexes.build("pipeline", BEFORE, instead_of=list(NOW))
