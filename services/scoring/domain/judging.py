"""Everything that judges a person: the rules of its business unit, and the model beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from services.scoring.domain.assessment import Assessment, Assessor, Case, NoModel
from services.scoring.domain.rulebook import Rulebook
from services.scoring.domain.scores import Judgement
from shared.contracts.policy import Policy


class Verdict(NamedTuple):
    """What the rules say, and the model beside them where one is active."""

    judgement: Judgement
    assessment: Assessment | None


class Judge:
    """One policy with one model. Pure: the same cases give the same verdicts."""

    def __init__(self, policy: Policy, assessor: Assessor | None = None) -> None:
        self.policy = policy
        self.assessor = assessor or NoModel()
        self._rulebooks: dict[int, Rulebook] = {}

    def verdicts(self, cases: Sequence[Case]) -> list[Verdict]:
        """One for each case, in their order."""
        assessments = self.assessor.assess(cases)
        return [
            Verdict(self.rulebook(case.business_unit).judge(case.touches, case.as_of), assessment)
            for case, assessment in zip(cases, assessments, strict=True)
        ]

    def content(self) -> dict[str, Any]:
        """What of the policy decides on scores: enough to make each of them again."""
        units = {
            name: {"scoring": unit.scoring.model_dump(mode="json", exclude_unset=True)}
            for name, unit in self.policy.business_units.items()
        }
        defaults = {"scoring": self.policy.defaults.scoring.model_dump(mode="json", exclude_unset=True)}
        return {"version": self.policy.version, "defaults": defaults, "business_units": units}

    def rulebook(self, business_unit: str) -> Rulebook:
        """The rules of a unit."""
        unit = self.policy.unit(business_unit)
        made = self._rulebooks.get(id(unit))
        if made is None:
            made = self._rulebooks[id(unit)] = Rulebook(unit.scoring)
        return made
