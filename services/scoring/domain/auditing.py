"""Whether a stored score is the one that its policy makes of the ledger, to the byte."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from services.scoring.domain.assessment import Assessor, Case
from services.scoring.domain.groups import rests_on
from services.scoring.domain.judging import Judge
from services.scoring.domain.passing import Person

Finding = Literal["same", "different", "without_score", "unmade"]
"""`without_score`: nobody has captured the lead. `unmade`: scored before scores could be made again, or beside a model that
nobody has any more."""


class Comparison(NamedTuple):
    """What an audit found of one lead, with what is stored and what was made again where they differ."""

    finding: Finding
    fault: str | None = None
    stored: dict[str, Any] | None = None
    made_again: dict[str, Any] | None = None


class Recalled(NamedTuple):
    """The models that spoke beside a score, each None where none did or nobody has it any more."""

    opportunity: Assessor | None = None
    customer: Assessor | None = None


NOBODY = Recalled()


def compare(person: Person, judge: Judge, models: Recalled = NOBODY) -> Comparison:
    """Makes a lead's score again, as of the moment it rests on, by the policy that made it and, where models spoke beside
    it, by those."""
    root = person.root
    if not person.known:
        return Comparison("without_score")
    moment = rests_on(root, person.members, person.touches)
    if moment is None or root.score is None:
        return Comparison("different", "a captured lead has no score")
    if root.score.rating is None:
        return Comparison("unmade")
    case = Case(root.business_unit, person.counting, moment)
    judgement = judge.judgement(case)
    stored = {**root.score._asdict(), "changes_at": root.due_at}
    made_again = {**judgement.score._asdict(), "changes_at": judgement.changes_at}
    lost = False
    for name, said, model in (
        ("assessment", root.assessment, models.opportunity),
        ("customer", root.customer, models.customer),
    ):
        if said is not None and model is not None:
            stored[name], made_again[name] = said, model.assess([case])[0]
        lost = lost or (said is not None and model is None)
    differing = [name for name, value in stored.items() if made_again[name] != value]
    if not differing:
        return Comparison("unmade" if lost else "same")
    return Comparison(
        "different",
        f"{', '.join(differing)} differ",
        {name: _plain(stored[name]) for name in differing},
        {name: _plain(made_again[name]) for name in differing},
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value.model_dump() if hasattr(value, "model_dump") else value
