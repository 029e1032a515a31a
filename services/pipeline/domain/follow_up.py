"""What is due for a lead, and what becomes of it: done, missed, put off, called off. All are facts in the lead's story; the tasks
that are open are what these facts leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.pipeline.domain.business_time import BusinessCalendar
from services.pipeline.domain.due import (
    CONFIRMATION,
    FIRST_RESPONSE,
    RECYCLE,
    RENEWAL,
    REQUEST,
    RETURN,
    STAGE,
    Cause,
    Task,
    cancelled,
    done,
    later,
    scheduled,
)
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.renewals import RENEWED, needless_renewal, to_renew
from services.pipeline.domain.state import LeadState, owner_of
from shared.contracts.identity import derived_event_id
from shared.contracts.lifecycle_events import (
    ContactAttempted,
    FollowUpMissed,
    LeadAssigned,
    LeadQualified,
    LeadReopened,
    OpportunityAssigned,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWon,
    OrderCancelled,
    OrderPlaced,
    StageChanged,
)
from shared.contracts.policy import Cadence, Step, UnitPolicy
from shared.contracts.spelling import one_label

TASK_EVENTS = frozenset(("FollowUpScheduled", "FollowUpMissed", "FollowUpDone", "FollowUpCancelled"))
"""What tasks are made of."""

MOVES = (OpportunityOpened, StageChanged, OpportunityWon, OpportunityLost)
"""After these a deal is somewhere else."""

BEGINS = (*MOVES, OrderPlaced, OrderCancelled)
"""After these something may be due where nothing was."""

LEAVE = "leave stage "
"""What a stage's task is called, before the stage's name."""

ERASED = "erased"
"""Why nothing is due any more for somebody whom nobody can reach."""


TOLD_AT_ONCE = timedelta(minutes=5)
"""How long after an attempt it is told of, at most, by whoever says when it was and tells of it as soon as it is made."""


def over(state: LeadState) -> str | None:
    """Why nothing is due for a lead any more; None where something may be."""
    if state.is_erased:
        return ERASED
    return state.mark or (state.status if state.status in ("archived", "converted", "customer") else None)


def needless(state: LeadState, task: Task) -> str | None:
    """Why a task need not be done any more; None where it is still to be done. One of a deal ends with the deal, and one of a
    stage once the deal is in another, however it came there."""
    if task.kind == RECYCLE:
        reason = over(state) or "reopened"
        return reason if reason != "archived" else None
    if (
        task.kind == REQUEST
    ):  # also of somebody erased: what was asked before that was called off, and this was asked since
        return state.mark or ("archived" if state.is_archived else None)
    if state.is_erased:
        return ERASED
    if task.kind == RENEWAL:
        return needless_renewal(state, task)
    if task.kind == RETURN:
        reopened = any(deal.status == "open" for deal in state.deals.values())
        return state.mark or ("archived" if state.is_archived else None) or ("open" if reopened else None)
    if task.opportunity_id is None:
        return over(state)
    deal = state.deals.get(task.opportunity_id)
    if deal is None:
        return "elsewhere"
    if state.mark or deal.status != "open":
        return state.mark or deal.status
    has_left = task.kind == STAGE and task.name != f"{LEAVE}{deal.value('stage')}"
    return "elsewhere" if has_left else None


def asks_story(task: Task) -> bool:
    """Whether what becomes of a task depends on more than a lead's row has: on its deals, or on what it was before it was put
    aside."""
    return task.opportunity_id is not None or task.kind in (RECYCLE, RETURN, RENEWAL)


def answer_to(kind: str) -> str:
    """What a task is called that answers a request."""
    return f"answer the {kind.replace('_', ' ')}"


class Following:
    """The follow-up of one business unit. `calendars` are those of its owners."""

    def __init__(self, unit: UnitPolicy, version: str, calendars: Mapping[str, BusinessCalendar]) -> None:
        self._policy = unit.follow_up
        self.unit = unit
        self.version = version
        self._calendar = BusinessCalendar.of(unit.working_hours, unit.zone)
        self._calendars = calendars
        self._fallback = unit.routing.fallback
        self.requests = frozenset(unit.follow_up.requests.kinds)

    def begin(self, state: LeadState, lead_id: UUID, cause: Cause) -> list[Draft]:
        """What is due once a lead is qualified or taken up again: that somebody answers, and the first step."""
        if state.status != "qualified" or over(state) is not None:
            return []
        cadence = self._policy.of_grade(state.graded.grade if state.graded is not None else None)
        if cadence is None:
            return []
        owner = state.assigned.owner if state.assigned is not None else None
        drafts: list[Draft] = []
        if cadence.respond_within is not None and state.first_response_at is None:
            due_at = later(self._calendar, cause.occurred_at, cadence.respond_within)
            task_id = derived_event_id(cause.event_id, f"task:{FIRST_RESPONSE}")
            task = Task(task_id, lead_id, FIRST_RESPONSE, FIRST_RESPONSE, due_at, cause.occurred_at, owner)
            drafts.append(scheduled(cause, task._replace(cadence=cadence.cadence), self.version))
        return [*drafts, *self._step(cadence, 0, lead_id, owner, cause)]

    def asked(self, state: LeadState, lead_id: UUID, kind: str, cause: Cause) -> list[Draft]:
        """What is due once a lead asked for something: an answer, from whoever has it or takes what nobody has."""
        if state.mark is not None or state.is_archived:
            return []
        owner = state.assigned.owner if state.assigned is not None else self._fallback
        due_at = later(self.calendar_of(owner), cause.occurred_at, self._policy.requests.within)
        task_id = derived_event_id(cause.event_id, f"task:{REQUEST}")
        task = Task(task_id, lead_id, REQUEST, answer_to(kind), due_at, cause.occurred_at, owner)
        return [scheduled(cause, task, self.version)]

    def after(
        self,
        state: LeadState,
        drafts: Sequence[Draft],
        tasks: Iterable[Task],
        cause: Cause,
        now: datetime,
        had: str | None = None,
    ) -> list[Draft]:
        """What becomes of the open tasks of a lead after what was recorded just now, whenever that was. `had` is who had it before."""
        follows: list[Draft] = []
        open_tasks: list[Task] = []
        moved = {draft.data["opportunity_id"]: draft for draft in drafts if draft.kind in MOVES}
        for task in tasks:
            if task.kind == RETURN and any(draft.kind is OpportunityOpened for draft in drafts):
                follows.append(done(cause, task, "opened"))
            elif task.kind == STAGE and task.opportunity_id in moved:
                follows.append(done(cause, task, _whereto(moved[task.opportunity_id])))
            elif (reason := needless(state, task)) is not None:
                follows.append(ended(cause, task, reason))
            elif task.kind != RECYCLE:
                open_tasks.append(task)
        for draft in moved.values():
            follows += self._stay(state, draft, cause)
        for draft in drafts:
            if draft.kind in (OrderPlaced, OrderCancelled):
                follows += self._renewal(state, draft, cause, now)
            if draft.kind is ContactAttempted and draft.data.get("human", True) and draft.data.get("outbound", True):
                follows += self._contacted(draft, open_tasks, cause, now)
            elif draft.kind is LeadAssigned:
                follows += self._handed_over(
                    draft.data["owner"], [one for one in open_tasks if _goes_along(one, had)], cause
                )
            elif draft.kind is OpportunityAssigned:
                follows += self._deal_handed_over(draft, open_tasks, cause)
            elif draft.kind is LeadQualified:
                follows += [done(cause, task) for task in open_tasks if task.kind == CONFIRMATION]
        return follows

    def answered_by(self, owner: str, tasks: Iterable[Task], cause: Cause) -> list[Draft]:
        """What a lead asked for while nobody had it is answered by whom the rules gave it to."""
        return self._handed_over(owner, [task for task in tasks if task.kind == REQUEST], cause)

    def next_step(self, task: Task, outcome: str | None, cause: Cause) -> list[Draft]:
        """What comes after a step that was done; nothing where its outcome ends the cadence, or the policy has it no more."""
        cadence = self._policy.named(task.cadence)
        if task.kind != "step" or task.step is None or cadence is None or _ends(cadence, outcome):
            return []
        return self._step(cadence, task.step + 1, task.lead_id, task.owner, cause)

    def fire(self, state: LeadState, task: Task) -> list[Draft]:
        """What becomes of a task that is due now and is not done. It happened when it was due, whoever looks when."""
        marker = derived_event_id(task.task_id, task.due_at.isoformat())
        cause = Cause(marker, marker, task.due_at)
        if task.kind == RECYCLE:
            return self._back(state, task, cause)
        if (reason := needless(state, task)) is not None:
            return [ended(cause, task, reason)]
        if task.kind == CONFIRMATION and state.status == "qualified":
            return [done(cause, task)]
        responded = state.first_response_at
        if task.kind == FIRST_RESPONSE and responded is not None and responded <= task.due_at:
            return [done(cause._replace(occurred_at=responded), task)]
        missed = cause.draft(
            FollowUpMissed,
            task.task_id,
            task.lead_id,
            kind=task.kind,
            name=task.name,
            owner=task.owner,
            due_at=task.due_at.isoformat(),
            cadence=task.cadence,
            opportunity_id=task.opportunity_id,
            order_id=task.order_id,
        )
        cadence = self._policy.named(task.cadence)
        if cadence is None or cadence.escalate is None or task.kind not in (FIRST_RESPONSE, "step"):
            return [missed]
        told = Task(
            derived_event_id(marker, "task:escalation"),
            task.lead_id,
            "escalation",
            f"{task.name} is late",
            later(self.calendar_of(cadence.escalate.to), task.due_at, cadence.escalate.within),
            task.due_at,
            cadence.escalate.to,
            cadence=cadence.cadence,
        )
        return [missed, scheduled(cause, told, self.version)]

    def _back(self, state: LeadState, task: Task, cause: Cause) -> list[Draft]:
        """An archived lead comes back when its time has come, if nobody took it up or put it aside anew before."""
        archived = state.archived
        if state.mark is not None or state.is_erased or archived is None or not state.is_archived:
            return [cancelled(cause, task, state.mark or (ERASED if state.is_erased else "reopened"))]
        if archived.key.occurred_at >= task.due_at:
            return [cancelled(cause, task, "archived again")]
        data = {
            "automatic": True,
            "reason": f"put aside until now ({archived.reason})",
            "policy_version": self.version,
        }
        event_id = derived_event_id(cause.event_id, LeadReopened.__name__)
        back = Draft(LeadReopened, event_id, cause.occurred_at, cause.correlation_id, cause.event_id, data)
        return [back, done(cause, task)]

    def came_back(self, lead_id: UUID, owner: str | None, cause: Cause) -> list[Draft]:
        """That somebody who has no deal any more is back: whoever has them decides whether that is a new one."""
        task_id = derived_event_id(cause.event_id, f"task:{RETURN}")
        due_at = later(self.calendar_of(owner), cause.occurred_at, self.unit.returning.within)
        task = Task(task_id, lead_id, RETURN, "came back", due_at, cause.occurred_at, owner)
        return [scheduled(cause, task, self.version)]

    def _renewal(self, state: LeadState, draft: Draft, cause: Cause, now: datetime) -> list[Draft]:
        """That an order is renewed before it has run out, by whoever has the customer: one that is placed, or again one of which the
        renewal is cancelled."""
        name: str | None = draft.data.get("order_id")
        if draft.kind is OrderCancelled:
            order = state.orders.get(name or "")
            name = order.values.get("renews") if order is not None else None
        return self._to_renew(state, name, cause, now)

    def runs_out(self, state: LeadState, order_id: str, now: datetime) -> list[Draft]:
        """That an order is renewed of which nobody was told when it was placed. Whoever looks when, it is one task."""
        order = state.orders.get(order_id)
        if order is None:
            return []
        marker = derived_event_id(order.lead_id, f"{RENEWAL}:{order_id}")
        return self._to_renew(state, order_id, Cause(marker, marker, now), now)

    def _to_renew(self, state: LeadState, name: str | None, cause: Cause, now: datetime) -> list[Draft]:
        owner, _ = owner_of(state)
        task = to_renew(state, name, owner or self._fallback, self.unit.renewing, cause, now)
        return [scheduled(cause, task, self.version)] if task is not None else []

    def _stay(self, state: LeadState, move: Draft, cause: Cause) -> list[Draft]:
        """That a deal is to leave the stage it entered, where the policy says for how long it may be there."""
        name = move.data["opportunity_id"]
        deal = state.deals[name]
        stage = self.unit.stage(deal.value("stage"), deal.value("pipeline") or "default")
        if deal.status != "open" or stage is None or stage.overdue_after is None or state.mark is not None:
            return []
        if state.is_erased:
            return []
        owner = deal.value("owner")
        due_at = later(self.calendar_of(owner), cause.occurred_at, stage.overdue_after)
        task_id = derived_event_id(cause.event_id, f"task:{STAGE}:{name}")
        task = Task(task_id, deal.lead_id, STAGE, f"{LEAVE}{stage.name}", due_at, due_at, owner, opportunity_id=name)
        return [scheduled(cause, task, self.version)]

    def _step(self, cadence: Cadence, place: int, lead_id: UUID, owner: str | None, cause: Cause) -> list[Draft]:
        if place >= len(cadence.steps):
            return []
        step = cadence.steps[place]
        calendar = self.calendar_of(owner)
        starts_at = later(calendar, cause.occurred_at, step.wait)
        due_at = later(calendar, starts_at, step.within)
        task_id = derived_event_id(cause.event_id, f"task:{cadence.cadence}:{place}")
        task = Task(
            task_id, lead_id, "step", step.step, due_at, starts_at, owner, step.channel, cadence.cadence, place,
            send=step.send,
        )  # fmt: skip
        return [scheduled(cause, task, self.version)]

    def _contacted(self, attempt: Draft, tasks: Iterable[Task], cause: Cause, now: datetime) -> list[Draft]:
        outcome, on = attempt.data.get("outcome"), one_label(attempt.data["kind"])
        follows: list[Draft] = []
        for task in tasks:
            cadence = self._policy.named(task.cadence)
            ends = task.kind == "step" and cadence is not None and _ends(cadence, outcome)
            fits = task.kind == "step" and (task.channel is None or one_label(task.channel) == on)
            answers = task.kind == FIRST_RESPONSE or (
                (task.kind == REQUEST or fits) and self._is_meant(task, attempt, now)
            )
            if answers:
                follows += [done(cause, task, outcome), *self.next_step(task, outcome, cause)]
            elif ends:
                follows.append(cancelled(cause, task, str(outcome)))
        return follows

    def _is_meant(self, task: Task, attempt: Draft, now: datetime) -> bool:
        """Whether an attempt may have been made because of a task: one that is told of later than it was made may be older than
        what was asked, or than the step. One that is made now, or is told of at once, is meant also where the task was put off."""
        at = attempt.occurred_at
        step = self.step_of(task)
        if at >= now or (step is None and task.kind != REQUEST):
            return True
        if task.starts_at > now and at >= now - TOLD_AT_ONCE:
            return True
        return (at if step is None else later(self.calendar_of(task.owner), at, step.wait)) >= task.starts_at

    def _handed_over(self, owner: str, tasks: Iterable[Task], cause: Cause) -> list[Draft]:
        return [
            scheduled(cause, task._replace(owner=owner))
            for task in tasks
            if task.kind not in ("escalation", STAGE) and task.owner != owner
        ]

    def _deal_handed_over(self, draft: Draft, tasks: Iterable[Task], cause: Cause) -> list[Draft]:
        name, owner = draft.data["opportunity_id"], draft.data["owner"]
        return [
            scheduled(cause, task._replace(owner=owner))
            for task in tasks
            if task.opportunity_id == name and task.owner != owner
        ]

    def step_of(self, task: Task) -> Step | None:
        """The step of the policy that a task was made of; None where there is none any more."""
        cadence = self._policy.named(task.cadence)
        if cadence is None or task.step is None or task.step >= len(cadence.steps):
            return None
        return cadence.steps[task.step]

    def calendar_of(self, owner: str | None) -> BusinessCalendar:
        """The working time of an owner."""
        return self._calendars.get(owner or "", self._calendar)


def _ends(cadence: Cadence, outcome: str | None) -> bool:
    """Whether an outcome, in any case of letters, ends a cadence."""
    return outcome is not None and outcome.casefold() in {one.casefold() for one in cadence.stops_on}


def ended(cause: Cause, task: Task, reason: str) -> Draft:
    """The task is over, for a reason that `needless` gave."""
    return done(cause, task, reason) if reason == RENEWED else cancelled(cause, task, reason)


def _goes_along(task: Task, had: str | None) -> bool:
    """Whether a task goes with the lead: one that a person made for somebody who did not have the lead is whose it is."""
    return task.kind != "task" or task.owner in (None, had)


def _whereto(move: Draft) -> str:
    stage: str | None = move.data.get("stage")
    return stage or ("won" if move.kind is OpportunityWon else "lost")
