"""The models at work: those that the registry says speak, taken over without a restart. Whatever is wrong with one, rules
go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from services.scoring import storage
from services.scoring.domain import Assessment, Case, NoModel
from services.scoring.domain.model import CUSTOMER, EVERY_UNIT, OPPORTUNITY, UnusableArtefact, read_kept
from services.scoring.domain.model.assessor import Expert, Experts, Reading
from services.scoring.instruments import ModelInstruments
from shared.contracts.policy import Policy
from shared.contracts.scoring_events import Silence
from shared.kit.database import Transaction
from shared.kit.logs import log

MOST_RECALLED = 16

OUTCOMES = (OPPORTUNITY, CUSTOMER)


def whose(business_unit: str) -> str:
    """Whose model it is, in words."""
    return "every unit" if business_unit == EVERY_UNIT else business_unit


class ModelState(NamedTuple):
    """A model that was activated for an outcome, of a business unit or of every one; `fault` says why it cannot be used."""

    outcome: str
    business_unit: str
    version: str
    fault: str | None

    @property
    def whose(self) -> str:
        """Whose model it is, in words."""
        return whose(self.business_unit)


class Speakers:
    """The models of one outcome, as whoever judges asks them."""

    def __init__(self, outcome: str, instruments: ModelInstruments) -> None:
        self.outcome = outcome
        self.experts = Experts()
        self._instruments = instruments
        self._failing: set[str] = set()

    def assess(self, cases: Sequence[Case]) -> Sequence[Assessment | Silence]:
        """One answer for each case. A model that fails at a lead says nothing of that lead."""
        experts = self.experts
        if not experts.speaking and not experts.silent:
            return NoModel().assess(cases)
        try:
            return experts.assess(cases)
        except Exception:
            return [self._assess_alone(experts, case) for case in cases]

    def explained(self, case: Case) -> Assessment | Silence:
        """The same of one lead, with every reason."""
        expert = self.experts.expert(case.business_unit)
        if not isinstance(expert, Expert):
            return expert
        try:
            return expert.explained(case)
        except Exception:
            return "failed"

    def _assess_alone(self, experts: Experts, case: Case) -> Assessment | Silence:
        try:
            return experts.assess([case])[0]
        except Exception as error:
            expert = experts.expert(case.business_unit)
            version = expert.version if isinstance(expert, Expert) else ""
            self._instruments.failed.labels(self.outcome).inc()
            if version not in self._failing:
                self._failing.add(version)
                log().error("model_failed", model_version=version, error_type=type(error).__name__)
            return "failed"


class Models:
    """The models of either outcome. Looks into the registry with the transaction of whoever is about to judge, at most
    every so many seconds."""

    def __init__(
        self,
        instruments: ModelInstruments,
        *,
        interval_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        policy: Policy | None = None,
    ) -> None:
        self.opportunity, self.customer = (Speakers(outcome, instruments) for outcome in OUTCOMES)
        self.of: Mapping[str, Speakers] = {one.outcome: one for one in (self.opportunity, self.customer)}
        self.policy = policy
        self.states: tuple[ModelState, ...] = ()
        self._instruments = instruments
        self._interval_seconds = interval_seconds
        self._monotonic = monotonic
        self._looked_at: float | None = None
        self._loaded: dict[tuple[str, str], Expert] = {}
        self._recalled: dict[str, Expert] = {}

    async def refresh(self, tx: Transaction) -> None:
        """Takes over what was activated since the last look, or mended."""
        now = self._monotonic()
        if self._looked_at is not None and now - self._looked_at < self._interval_seconds:
            return
        loaded: dict[tuple[str, str], Expert] = {}
        speaking: dict[str, dict[str, Expert]] = {outcome: {} for outcome in OUTCOMES}
        silent: dict[str, dict[str, Silence]] = {outcome: {} for outcome in OUTCOMES}
        for row in await storage.trainings(tx):
            if row.result == "too_little" and row.outcome in self.of:
                silent[row.outcome][row.business_unit] = "too_little_data"
        states = []
        for row in await storage.active_models(tx):
            if row.outcome not in self.of:  # of another release, which may have learned something else
                continue
            key = row.version, row.checksum
            found = self._loaded.get(key) or await self._load(tx, row.version)
            if isinstance(found, Expert):
                loaded[key] = speaking[row.outcome][row.business_unit] = found
            else:
                silent[row.outcome][row.business_unit] = "unusable"
            fault = found if isinstance(found, str) else None
            states.append(ModelState(row.outcome, row.business_unit, row.version, fault))
        self._tell(tuple(states))
        self._loaded = loaded
        reading = Reading(loaded.values())
        for outcome, speakers in self.of.items():
            speakers.experts = Experts(speaking[outcome], silent[outcome], self._is_off, reading)
        self._looked_at = now

    def _is_off(self, business_unit: str) -> bool:
        """Whether the policy lets rules alone speak for a unit."""
        return self.policy is not None and not self.policy.unit(business_unit).scoring.model.enabled

    async def recalled(self, tx: Transaction, version: str) -> Expert | None:
        """The model of a version, to make again what it once said; None where nobody has it any more."""
        if version not in self._recalled:
            found = await self._load(tx, version)
            if not isinstance(found, Expert):
                return None
            while len(self._recalled) >= MOST_RECALLED:
                self._recalled.pop(next(iter(self._recalled)))
            self._recalled[version] = found
        return self._recalled[version]

    async def check(self) -> None:
        """Raises with what cannot be used, for whoever asks how the service is."""
        faults = [
            f"{one.version}, the {one.outcome} model of {one.whose}: {one.fault}"
            for one in self.states
            if one.fault is not None
        ]
        if faults:
            raise RuntimeError("; ".join(faults))

    async def _load(self, tx: Transaction, version: str) -> Expert | str:
        """A model, or why it cannot be used."""
        row = await storage.model(tx, version)
        if row is None:
            return "it is not in the registry"
        try:
            kept = read_kept(row.artefact, row.checksum, row.outcome, row.horizon_days)
            return Expert(version, kept.model)
        except UnusableArtefact as fault:
            return str(fault)

    def _tell(self, states: tuple[ModelState, ...]) -> None:
        """Says what is new, once."""
        self._instruments.tell({(one.outcome, one.whose): one.fault is None for one in states})
        for one in states:
            if one not in self.states:
                if one.fault is None:
                    log().info("model_speaks", model_version=one.version, outcome=one.outcome, whose=one.whose)
                else:
                    log().error(
                        "model_unusable",
                        model_version=one.version,
                        outcome=one.outcome,
                        whose=one.whose,
                        fault=one.fault,
                    )
        places = {(one.outcome, one.business_unit) for one in states}
        for one in self.states:
            if (one.outcome, one.business_unit) not in places:
                log().info("model_no_longer_speaks", model_version=one.version, outcome=one.outcome, whose=one.whose)
        self.states = states
