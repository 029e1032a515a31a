"""Models at work: which one speaks for a lead, and what it says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from services.scoring.domain.assessment import Assessment, Case
from services.scoring.domain.model.additive import UNITS_PER_LOG_ODD, AdditiveModel, Verdict
from services.scoring.domain.model.artefact import EVERY_UNIT
from services.scoring.domain.model.features import FeatureReader, LateTouch
from services.scoring.domain.model.words import BASE, REST, feature_words, likelier
from services.scoring.domain.touches import known_at
from shared.contracts.scoring_events import Contribution, Silence

STRONGEST = 5
"""So many reasons are told of each assessment, beside its base and the rest."""


class Expert:
    """One model with its name, made ready to be asked many times."""

    def __init__(self, version: str, model: AdditiveModel) -> None:
        self.version = version
        self.model = model
        self._reader = FeatureReader([table.name for table in model.tables])
        self._base = Contribution(feature="base", words=BASE, log_odds=model.base / UNITS_PER_LOG_ODD)
        self._contribution = lru_cache(maxsize=16_384)(self._say)

    def judge(self, case: Case) -> Verdict | None:
        """What the model's tables add up to, from what had happened; None where nothing is known of the lead."""
        try:
            values = self._reader.read(case.business_unit, case.touches, case.as_of)
        except LateTouch:
            return self.judge(case._replace(touches=known_at(case.touches, case.as_of)))
        if not any(one.kind is None for one in case.touches):
            return None
        return self.model.judge(values)

    def assess(self, cases: Sequence[Case]) -> Sequence[Assessment | Silence]:
        """One answer for each case, in their order."""
        return [self.assessed(case) for case in cases]

    def assessed(self, case: Case, reasons: int = STRONGEST) -> Assessment | Silence:
        """How likely the outcome is, and so many reasons."""
        verdict = self.judge(case)
        if verdict is None:
            return "nothing_known"
        return Assessment(verdict.probability, self.contributions(verdict, reasons), self.version)

    def contributions(self, verdict: Verdict, reasons: int = STRONGEST) -> tuple[Contribution, ...]:
        """The strongest reasons, the strongest first, with what the model starts from and what all others come to: their
        log-odds sum to those of the probability, to the last digit."""
        units = verdict.units
        order = sorted(range(len(units)), key=lambda index: (-abs(units[index]), index))
        told = [index for index in order[:reasons] if units[index]]
        rest = verdict.total - self.model.base - sum([units[index] for index in told])
        said = [self._contribution(index, verdict.cells[index], units[index]) for index in told]
        return (self._base, *said, *((_rest(rest),) if rest else ()))

    def _say(self, index: int, cell: int, units: int) -> Contribution:
        table = self.model.tables[index]
        words = likelier(feature_words(table, cell), units)
        return Contribution(feature=table.name[:200], words=words, log_odds=units / UNITS_PER_LOG_ODD)


class Experts(NamedTuple):
    """The models that speak, by business unit: its own, else that for every unit. Where there is none, or one that cannot
    be used, `silent` says why, and rules alone speak."""

    speaking: Mapping[str, Expert] = {}
    silent: Mapping[str, Silence] = {}

    def expert(self, business_unit: str) -> Expert | Silence:
        """The model of a unit, or why there is none. A unit whose own model cannot be used is not given another's."""
        for unit in (business_unit, EVERY_UNIT):
            if unit in self.speaking:
                return self.speaking[unit]
            if self.silent.get(unit) == "unusable":
                return "unusable"
        return self.silent.get(business_unit) or self.silent.get(EVERY_UNIT) or "none_active"

    def assess(self, cases: Sequence[Case]) -> Sequence[Assessment | Silence]:
        """One answer for each case, in their order."""
        found = []
        for case in cases:
            expert = self.expert(case.business_unit)
            found.append(expert.assessed(case) if isinstance(expert, Expert) else expert)
        return found


@lru_cache(maxsize=16_384)
def _rest(units: int) -> Contribution:
    return Contribution(feature="rest", words=REST, log_odds=units / UNITS_PER_LOG_ODD)
