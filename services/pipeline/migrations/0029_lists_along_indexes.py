"""Lists narrowed by owner, campaign, kind or unit read along an index, and so do tasks of all and deliveries of each endpoint."""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

BEFORE = {
    "tasks_of_lead": "pipeline.tasks (lead_id) WHERE status = 'open'",
    "tasks_of_owner": "pipeline.tasks (owner, due_at) WHERE status = 'open'",
}
NOW = {
    "leads_in_order": "pipeline.leads (created_at, lead_id) WHERE lead_id = root_id",
    "leads_of_owner": "pipeline.leads (owner, status, created_at, lead_id) WHERE owner IS NOT NULL AND lead_id = root_id",
    "leads_of_campaign": "pipeline.leads (campaign, created_at, lead_id) WHERE campaign IS NOT NULL AND lead_id = root_id",
    "tasks_of_lead": "pipeline.tasks (lead_id, status)",
    "tasks_of_owner": "pipeline.tasks (owner, status, due_at, task_id, kind)",
    "tasks_of_unit": "pipeline.tasks (business_unit, status, kind, due_at, task_id)",
    "activities_of_kind": "pipeline.activities (kind, occurred_at, event_id, lead_id)",
    "webhook_deliveries_listed": "pipeline.webhook_deliveries (endpoint_id, status, queued_at, event_id)",
}


def upgrade() -> None:
    """Those of tasks that knew only what is open know everything."""
    _instead(BEFORE, NOW)


def downgrade() -> None:
    """Lists are sorted again."""
    _instead(NOW, BEFORE)


def _instead(old: dict[str, str], new: dict[str, str]) -> None:
    for name in old:
        op.execute(f"DROP INDEX pipeline.{name}")
    for name, place in new.items():
        op.execute(f"CREATE INDEX {name} ON {place}")
