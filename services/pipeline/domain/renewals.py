"""What runs out is renewed before: an order that runs until a day is somebody's to see to, so long before, until another renews it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from services.pipeline.domain.due import RENEWAL, Cause, Task
from services.pipeline.domain.facts import Fact
from services.pipeline.domain.state import LeadState
from shared.contracts.identity import derived_event_id
from shared.contracts.policy import Renewing

RENEWED = "renewed"
"""How such a task ends that was done."""


def to_renew(
    state: LeadState, name: str | None, owner: str | None, rule: Renewing, cause: Cause, now: datetime
) -> Task | None:
    """What is due of an order that was placed just now, or is renewed by none any more; None where it does not run out, has run
    out, need not be renewed, or the policy asks for nothing."""
    order = state.orders.get(name or "")
    if order is None or order.runs_until is None or order.runs_until <= now or rule.ahead_days is None:
        return None
    due_at = order.runs_until
    starts_at = max(due_at - timedelta(days=rule.ahead_days), cause.occurred_at)
    task_id = derived_event_id(cause.event_id, f"task:{RENEWAL}:{order.order_id}")
    task = Task(task_id, order.lead_id, RENEWAL, "renew", due_at, starts_at, owner, order_id=order.order_id)
    return task if needless_renewal(state, task) is None else None


def is_told_of(facts: Iterable[Fact], order_id: str) -> bool:
    """Whether somebody was told to renew an order, whatever became of that."""
    return any(
        fact.event == "FollowUpScheduled" and fact.data.get("kind") == RENEWAL and fact.data.get("order_id") == order_id
        for fact in facts
    )


def needless_renewal(state: LeadState, task: Task) -> str | None:
    """Why an order need not be renewed any more; None where it still is to be."""
    order = state.orders.get(task.order_id or "")
    if order is None:
        return "elsewhere"
    if any(other.stands and other.values.get("renews") == task.order_id for other in state.orders.values()):
        return RENEWED
    if order.status != "placed":
        return order.status
    if state.is_erased:
        return "erased"
    return state.mark or ("archived" if state.is_archived else None) or ("churned" if state.has_left else None)
