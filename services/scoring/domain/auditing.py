"""Whether a stored score is the one that its policy makes of the ledger, to the byte."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from services.scoring.domain.assessment import Assessment, Case
from services.scoring.domain.groups import rests_on
from services.scoring.domain.judging import Judge
from services.scoring.domain.passing import Person

Finding = Literal["same", "different", "without_score", "unmade"]
"""`without_score`: nobody has captured the lead. `unmade`: scored before scores could be made again."""


class Comparison(NamedTuple):
    """What an audit found of one lead, with what is stored and what was made again where they differ."""

    finding: Finding
    fault: str | None = None
    stored: dict[str, Any] | None = None
    made_again: dict[str, Any] | None = None


def compare(person: Person, judge: Judge) -> Comparison:
    """Makes a lead's score again, as of the moment it rests on, by the policy that made it."""
    root = person.root
    if not person.known:
        return Comparison("without_score")
    moment = rests_on(root, person.members, person.touches)
    if moment is None or root.score is None:
        return Comparison("different", "a captured lead has no score")
    if root.score.rating is None:
        return Comparison("unmade")
    [verdict] = judge.verdicts([Case(root.business_unit, person.counting, moment)])
    score = verdict.judgement.score
    stored = {**root.score._asdict(), "changes_at": root.due_at}
    made_again = {**score._asdict(), "changes_at": verdict.judgement.changes_at}
    if _same_model(root.assessment, verdict.assessment):
        stored["probability"], made_again["probability"] = (
            None if one is None else (one.probability, one.contributions)
            for one in (root.assessment, verdict.assessment)
        )
    differing = [name for name, value in stored.items() if made_again[name] != value]
    if not differing:
        return Comparison("same")
    return Comparison(
        "different",
        f"{', '.join(differing)} differ",
        {name: _plain(stored[name]) for name in differing},
        {name: _plain(made_again[name]) for name in differing},
    )


def _same_model(stored: Assessment | None, made_again: Assessment | None) -> bool:
    """Only what the same model said can be made again by it."""
    if stored is None or made_again is None:
        return False
    return stored.model_version == made_again.model_version


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value.model_dump() if hasattr(value, "model_dump") else value
