"""Everything that judges a person: the rules of its business unit, and the models beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from services.scoring.domain.assessment import Assessment, Assessor, Case, NoModel
from services.scoring.domain.rulebook import Rulebook
from services.scoring.domain.scores import Judgement
from shared.contracts.policy import Policy
from shared.contracts.scoring_events import Silence


class Verdict(NamedTuple):
    """What the rules say, and beside them the model of opportunities, or why it does not, and the model of customers."""

    judgement: Judgement
    assessment: Assessment | None
    silence: Silence | None = None
    customer: Assessment | None = None


class Judge:
    """One policy with the models of either outcome. Pure: the same cases give the same verdicts."""

    def __init__(self, policy: Policy, assessor: Assessor | None = None, of_customers: Assessor | None = None) -> None:
        self.policy = policy
        self.assessor = assessor or NoModel()
        self.of_customers = of_customers or NoModel()
        self._rulebooks: dict[int, Rulebook] = {}

    def verdicts(self, cases: Sequence[Case]) -> list[Verdict]:
        """One for each case, in their order."""
        verdicts = []
        said = zip(cases, self.assessor.assess(cases), self.of_customers.assess(cases), strict=True)
        for case, opportunity, customer in said:
            verdict = Verdict(self.judgement(case), *_parted(opportunity))
            verdicts.append(verdict._replace(customer=customer) if isinstance(customer, Assessment) else verdict)
        return verdicts

    def judgement(self, case: Case) -> Judgement:
        """What the rules alone say."""
        return self.rulebook(case.business_unit).judge(case.touches, case.as_of)

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


def _parted(said: Assessment | Silence) -> tuple[Assessment | None, Silence | None]:
    return (said, None) if isinstance(said, Assessment) else (None, said)
