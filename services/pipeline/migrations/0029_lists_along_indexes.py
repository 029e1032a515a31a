"""Tasks of an owner, a unit or all, activities of a kind and deliveries of each endpoint are read along an index."""

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
    """The new ones are made beside the old ones, which go at the end: until then whoever reads the tables waits for nothing."""
    for name, place in new.items():
        op.execute(f"CREATE INDEX {name}_next ON {place}")
    for name in old:
        op.execute(f"DROP INDEX pipeline.{name}")
    for name in new:
        op.execute(f"ALTER INDEX pipeline.{name}_next RENAME TO {name}")
