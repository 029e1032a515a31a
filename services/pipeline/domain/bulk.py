"""What may be done to many leads at once: the commands on one lead, each with what it has to say and nothing in free words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args
from uuid import UUID

from services.pipeline.domain import decisions
from services.pipeline.domain.decisions import Act
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.qualification import confirming
from services.pipeline.domain.reasons import known_reason
from services.pipeline.domain.refusals import Refused
from services.pipeline.domain.state import LeadState
from shared.contracts.marks import Mark
from shared.contracts.policy import UnitPolicy

Doing = Literal["assign", "archive", "reopen", "qualify", "requalify", "mark", "release"]
Status = Literal["waiting", "running", "done", "cancelled"]
Outcome = Literal["done", "refused"]

ENDED: tuple[Status, ...] = ("done", "cancelled")
MOST_ITEMS = 100_000

Decide = Callable[[LeadState, UnitPolicy, Act], list[Draft]]
Guard = Callable[[Ledger, UUID, list[Draft]], list[Draft]]


@dataclass(frozen=True, slots=True)
class Command:
    """What is done to each. `of_person` is recorded in the story of each id of a person; `guard` sees the whole story, as when one
    lead is meant; `by_rules` says that the policy decides and nobody else."""

    path: str
    decide: Decide = lambda *_: []
    of_person: bool = False
    guard: Guard | None = None
    by_rules: bool = False


def command_of(doing: Doing, said: Mapping[str, Any]) -> Command:
    """The command of a job. Raises `Refused` where it does not say what it needs, or something else."""
    needed, more = _SAYS[doing]
    for name in needed:
        if not said.get(name):
            raise _wrong(name, f"To {doing} needs {name}.", f"Send {name}.")
    for name in said:
        if name not in (*needed, *more):
            raise _wrong(name, f"To {doing} says nothing of {name}.", f"Leave {name} out.")
    match doing:
        case "assign":
            owner, team = said["owner"], said.get("team")
            return Command(":assign", lambda state, _, act: decisions.decide_assign(state, act, owner=owner, team=team))
        case "archive":
            reason = said["reason"]
            return Command(
                ":archive",
                lambda state, unit, act: decisions.decide_archive(state, unit, act, reason=reason, note=None),
            )
        case "reopen":
            return Command(":reopen", lambda state, _, act: decisions.decide_reopen(state, act))
        case "qualify":
            return Command(":qualify", lambda state, _, act: decisions.decide_qualify(state, act), guard=confirming)
        case "requalify":
            return Command(":requalify", by_rules=True)
        case "mark":
            mark = said["mark"]
            if mark not in get_args(Mark):
                raise _wrong("mark", "There is no such mark.", f"Send one of {', '.join(get_args(Mark))}.")
            return Command(
                ":mark", lambda state, _, act: decisions.decide_mark(state, act, mark=mark, note=None), of_person=True
            )
        case "release":
            return Command(
                ":release", lambda state, _, act: decisions.decide_release(state, act, note=None), of_person=True
            )


def refuse_needless(doing: Doing, said: Mapping[str, Any], policies: Iterable[UnitPolicy]) -> None:
    """Raises `Refused` for a job that each of its leads would refuse: one that archives for a reason that no policy has."""
    if doing != "archive":
        return
    reasons = dict.fromkeys(reason for policy in policies for reason in policy.archive_reasons)
    known_reason(said["reason"], reasons, None)


_SAYS: dict[Doing, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "assign": (("owner",), ("team",)),
    "archive": (("reason",), ()),
    "reopen": ((), ()),
    "qualify": ((), ()),
    "requalify": ((), ()),
    "mark": (("mark",), ()),
    "release": ((), ()),
}
"""What each needs to say, and what it may say besides."""


def _wrong(field: str, detail: str, fix: str) -> Refused:
    return Refused(detail, kind="invalid", code="says-otherwise", field=field, fix=fix)
