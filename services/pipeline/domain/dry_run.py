"""What a qualification would have decided on recorded history, beside what the one of now would, and what became of the leads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.pipeline.domain.facts import Fact, in_order
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.qualification import Judge, Qualifier, Verdict, known_of
from services.pipeline.domain.state import LeadState, evolve

NAMED_AT_MOST = 100
"""How many of the leads that change are named."""

CELLS_AT_MOST = 2_000
"""How many cells of unit, product and grade are counted apart; what comes after is counted as `other`."""

OTHER = "other"

COUNTED = (
    "leads", "before", "after", "newly", "no_longer", "confirm_before", "confirm_after",
    "converted", "converted_before", "converted_after", "won", "won_before", "won_after",
)  # fmt: skip


class Met(NamedTuple):
    """That a lead met a policy: when first, and how."""

    at: datetime
    grade: str
    verdict: Verdict


class Trial(NamedTuple):
    """A lead by two policies, and what became of it."""

    lead_id: UUID
    business_unit: str
    product: str | None
    grade: str | None
    before: Met | None
    after: Met | None
    converted: bool
    won: bool


def try_out(ledger: Ledger, lead_id: UUID, present: Qualifier, other: Qualifier) -> Trial | None:
    """Lives through a lead's story, its state with it, and asks both policies at every score that a policy would have been asked
    at. Who the lead is, is what is known now. None for one that was never scored so, or that is held out."""
    root = ledger.root(lead_id)
    if root.state.mark is not None:
        return None
    met: list[Met | None] = [None, None]
    told: list[Fact] = []
    asked = False
    root.state = LeadState()
    for fact in in_order(ledger.facts(lead_id)):
        told.append(fact)
        root.state = evolve(root.state, fact)
        if fact.event != "LeadGraded" or fact.data.get("historical") or root.state.status == "archived":
            continue
        if root.state.is_erased:
            continue
        asked = True
        for place, qualifier in enumerate((present, other)):
            if met[place] is None:
                met[place] = _met(ledger, lead_id, qualifier, told, fact)
    if not asked:
        return None
    state = root.state
    touch, graded = state.first_touch, state.graded
    converted = bool(state.deals)
    won = state.status == "customer"
    return Trial(
        root.lead_id,
        root.business_unit,
        touch.product if touch is not None else None,
        graded.grade if graded is not None else None,
        met[0],
        met[1],
        converted or won,
        won,
    )


def _met(ledger: Ledger, lead_id: UUID, qualifier: Qualifier, told: list[Fact], fact: Fact) -> Met | None:
    state = ledger.root(lead_id).state
    graded = state.graded
    judge: Judge = qualifier.judge(state.first_touch.product if state.first_touch is not None else None)
    if graded is None or not judge.criteria.automatic or not judge.may_meet(graded.score, graded.grade):
        return None
    fields = known_of(ledger, lead_id, told if judge.asks_story else ()) if judge.asks_fields else {}
    verdict = judge.verdict(fields, graded.score, graded.grade)
    return Met(fact.occurred_at, graded.grade, verdict) if verdict is not None else None


def qualifies(met: Met | None) -> bool:
    """Whether a lead qualifies, or waits for a yes: both bring it to a person."""
    return met is not None


@dataclass(slots=True)
class Totals:
    """Trials added up, by unit, product and grade, with some of the leads that change."""

    cells: dict[tuple[str, str, str], dict[str, int]] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)

    def add(self, trial: Trial) -> None:
        """One lead more."""
        key = (trial.business_unit, trial.product or "", trial.grade or "")
        if key not in self.cells and len(self.cells) >= CELLS_AT_MOST:
            key = (OTHER, OTHER, OTHER)
        cell = self.cells.setdefault(key, dict.fromkeys(COUNTED, 0))
        for name in _counted(trial):
            cell[name] += 1
        changed = qualifies(trial.before) != qualifies(trial.after) or _confirms(trial.before) != _confirms(trial.after)
        if changed and len(self.changes) < NAMED_AT_MOST:
            self.changes.append(
                {
                    "lead_id": str(trial.lead_id),
                    "business_unit": trial.business_unit,
                    "before": _told(trial.before),
                    "after": _told(trial.after),
                    "converted": trial.converted,
                }
            )

    def document(self) -> dict[str, Any]:
        """As it is kept between one page of leads and the next."""
        return {"cells": [[*key, cell] for key, cell in sorted(self.cells.items())], "changes": self.changes}

    @staticmethod
    def of(document: Mapping[str, Any]) -> Totals:
        """What was counted so far."""
        cells = {(unit, product, grade): dict(cell) for unit, product, grade, cell in document.get("cells", [])}
        return Totals(cells, list(document.get("changes", [])))

    def shown(self) -> dict[str, Any]:
        """All of them, and by unit, product and grade."""
        return {
            "total": _sum(self.cells.values()),
            **{
                f"by_{name}": {
                    value or "none": _sum(cell for key, cell in self.cells.items() if key[place] == value)
                    for value in sorted({key[place] for key in self.cells})
                }
                for place, name in enumerate(("unit", "product", "grade"))
            },
            "changes": self.changes,
        }


def _sum(cells: Any) -> dict[str, int]:
    total = dict.fromkeys(COUNTED, 0)
    for cell in cells:
        for name in COUNTED:
            total[name] += cell[name]
    return total


def _counted(trial: Trial) -> Iterator[str]:
    before, after = qualifies(trial.before), qualifies(trial.after)
    holds = {
        "leads": True,
        "before": before,
        "after": after,
        "newly": after and not before,
        "no_longer": before and not after,
        "confirm_before": _confirms(trial.before),
        "confirm_after": _confirms(trial.after),
        "converted": trial.converted,
        "converted_before": before and trial.converted,
        "converted_after": after and trial.converted,
        "won": trial.won,
        "won_before": before and trial.won,
        "won_after": after and trial.won,
    }
    return (name for name in COUNTED if holds[name])


def _confirms(met: Met | None) -> bool:
    return met is not None and met.verdict.confirm


def _told(met: Met | None) -> dict[str, Any] | None:
    if met is None:
        return None
    return {"at": met.at.isoformat(), "reason": met.verdict.reason, "confirm": met.verdict.confirm}
