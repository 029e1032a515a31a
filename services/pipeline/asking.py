"""What a command is asked with, what is answered, and with which problem where it cannot be done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.pipeline.domain.access import EVERYWHERE, Reach
from services.pipeline.domain.decisions import Act
from services.pipeline.domain.history_rows import FUTURE_TOLERANCE
from services.pipeline.domain.ledger import Lead, Ledger
from services.pipeline.domain.refusals import Refused
from services.pipeline.domain.state import LeadState
from services.pipeline.naming import ambiguous
from shared.kit.errors import Rejected


@dataclass(frozen=True, slots=True)
class Asked:
    """How a command was asked for, beside what it says: by whom, for which moment, on which version, under which key, which is
    one of the sender's own `namespace`, and with which reach. `target` is what it is about where that is not the lead: what its
    key goes with, whoever the lead is by then. `counted_as` is what monitoring calls the command where its name says of whom."""

    name: str
    body: Mapping[str, Any]
    actor: str = "api"
    occurred_at: datetime | None = None
    idempotency_key: str | None = None
    if_match: str | None = None
    reach: Reach = EVERYWHERE
    namespace: str = "pipeline-api"
    target: str | None = None
    counted_as: str | None = None

    @property
    def label(self) -> str:
        """The command's name among its like: one of as many as there are routes."""
        return self.counted_as or self.name


@dataclass(frozen=True, slots=True)
class Done:
    """A command's answer: the lead, the deal where it was about one, and whether it was done before."""

    lead: dict[str, Any]
    deal: dict[str, Any] | None = None
    repeated: bool = False


BEFORE_IT_CAME_IN = timedelta(days=1)
"""How long before a lead came in something may have happened with it: somebody called, and then wrote them down."""

OF_THE_PERSON = frozenset({":record-consent"})
"""What may be older than the lead by any time: what somebody permits, they may have signed long before."""


def act_of(asked: Asked, command_id: UUID, now: datetime, state: LeadState) -> Act:
    """When it happened: as said, else now, and not before what the lead's story says already. Raises `Refused` for a time that is
    to come, or from before there was such a lead: what happens first is first for ever."""
    if asked.occurred_at is None:
        latest = state.last.occurred_at if state.last is not None else now
        return Act(command_id, max(now, latest), asked.actor, now)
    at = asked.occurred_at.astimezone(UTC)
    if at > now + FUTURE_TOLERANCE:
        raise Refused(
            "occurred_at is in the future.",
            kind="invalid",
            code="future",
            field="occurred_at",
            fix="Send a time that has passed, or none for now.",
        )
    act = Act(command_id, at, asked.actor, now)
    if state.created_at is not None and asked.label not in OF_THE_PERSON:
        act.not_before(state.created_at - BEFORE_IT_CAME_IN, "the lead came in")
    return act


STATUSES = {"conflict": 409, "invalid": 422, "forbidden": 403}


def rejected(refused: Refused) -> Rejected:
    """The domain's no as a problem over HTTP."""
    return Rejected(
        refused.detail,
        status=STATUSES[refused.kind],
        code=refused.code,
        field=refused.field,
        fix=refused.fix,
        extra={**refused.extra, **({"state": refused.state} if refused.state else {})},
    )


@contextmanager
def telling(state: str) -> Iterator[None]:
    """Whatever is refused in here as a conflict says what the lead, the deal or the task is, where it does not say more."""
    try:
        yield
    except Refused as refused:
        if refused.kind == "conflict" and refused.state is None:
            refused.state = state
        raise


def no_such_lead() -> Rejected:
    """Nobody knows this id."""
    return Rejected(
        "There is no lead of this id.", status=404, code="unknown-lead", fix="Take the lead_id that capture answered."
    )


def no_such_task() -> Rejected:
    """Nothing is known by this id."""
    return Rejected(
        "There is no task of this id.", status=404, code="unknown-task", fix="Take a task_id from GET /v1/tasks."
    )


def decided(how: str, fix: str) -> Rejected:
    """Whether two leads are one person was decided already."""
    return Rejected(f"This candidate is {how}.", status=409, code="decided", fix=fix, extra={"state": how})


def no_such_opportunity() -> Rejected:
    """Nothing is known by this id."""
    return Rejected(
        "There is no opportunity of this id.",
        status=404,
        code="unknown-opportunity",
        fix="Take the opportunity_id that opening it answered.",
    )


def moved(lead_id: UUID, root_id: UUID, command: str | None = None) -> Rejected:
    """A merged id lives on under its canonical one."""
    path = f"/v1/leads/{root_id}" + (command or "")
    return Rejected(
        "This lead was merged into another.",
        status=308,
        code="merged",
        fix=f"Use {path}.",
        extra={"lead_id": str(lead_id), "canonical_lead_id": str(root_id)},
        headers={"Location": path},
    )


def canonical(ledger: Ledger, lead_id: UUID, asked: Asked) -> Lead:
    """The lead of an id that is nobody else's by now. Raises `Rejected`."""
    if lead_id not in ledger:
        raise no_such_lead()
    lead = ledger[lead_id]
    if lead.is_merged:
        raise moved(lead_id, lead.root_id, asked.name)
    return lead


def one_deal(found: Any) -> Any:
    """The only deal that was found. Raises 404 or 409 as `Rejected`."""
    if not found:
        raise no_such_opportunity()
    if len(found) > 1:
        raise ambiguous("opportunity", found)
    return found[0]
