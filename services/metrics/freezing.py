"""Numbers as they are known at a moment, kept for good: each week where the policy says so, and whenever somebody asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from services.metrics.asking import answered, ask
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.freezing import FORECAST, Dues, dues
from services.metrics.forecasts import Ahead, Asked, forecasts_of, shown
from services.metrics.storage import answering, frozen
from services.metrics.storage.frozen import EVERYBODY, Frozen
from shared.contracts.policy import Policy
from shared.contracts.policy.snapshots import FrozenKpi, Snapshots
from shared.kit.background import again_and_again, running
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.errors import Rejected
from shared.kit.logs import log
from shared.kit.transient import name_of

PERIODS: dict[Ahead, int] = {"quarter": 3, "half_year": 2, "year": 2}
"""Of how many periods a forecast is frozen: of the next one as long as it is the next, or soon will be."""


MISSED_LATELY = timedelta(days=8)
"""For so long it is told that something was missed: a week, and a day to look."""


class Standing(NamedTuple):
    """Since when the oldest is due that is not frozen yet, and how many were missed lately."""

    oldest_due: datetime | None
    missed: int


class Freezing:
    """One task beside the requests. Several replicas may do the same: what one has kept, another does not."""

    def __init__(self, database: Database, policy: Policy, clock: Clock, *, interval_seconds: float) -> None:
        self._database = database
        self._policy = policy
        self._clock = clock
        self._interval_seconds = interval_seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Goes on until the context ends."""
        for fault in faults(self._policy):
            log().error("snapshots_not_understood", fault=fault)
        async with running(
            again_and_again(self.once, self._interval_seconds, "snapshots_not_taken"), "metrics-freezing"
        ):
            yield

    async def once(self) -> None:
        """Takes what is due now and notes what was missed. What cannot be taken keeps nobody else's from being taken; it is tried
        again as long as its time is."""
        for unit, name, due in await self._dues():
            try:
                await self._note(unit, name, due)
            except Exception as error:
                log().warning("snapshot_not_taken", business_unit=unit, snapshot=name, error_type=name_of(error))
        await self._database.run(frozen.forget)

    async def standing(self) -> Standing:
        """What is due now, and what was missed lately, whether that is noted yet or not."""
        open_still = await self._dues()
        since = self._clock.now() - MISSED_LATELY
        missed = sum(one > since for _, _, due in open_still for one in due.missed)
        return Standing(
            min((due.now for _, _, due in open_still if due.now is not None), default=None),
            missed + await frozen.missed(self._database, since),
        )

    async def _dues(self) -> list[tuple[str, str, Dues]]:
        """Of each unit and name what has not been noted yet."""
        now, noted = self._clock.now(), await frozen.last_noted(self._database)
        found = []
        for unit in (EVERYBODY, *sorted(self._policy.business_units)):
            own = self._policy.unit(unit)
            for name in names_of(own.snapshots):
                due = dues(own.snapshots, own.zone, noted.get((unit, name)), now)
                if due.missed or due.now:
                    found.append((unit, name, due))
        return found

    async def _note(self, unit: str, name: str, due: Dues) -> None:
        missed = [self._frozen(unit, name, one, None, None) for one in due.missed]
        taken = [] if due.now is None else [await self._taken(unit, name, due.now)]
        kept = await self._database.run(lambda tx: frozen.keep(tx, [*missed, *taken]))
        for one in missed:
            if one.frozen_id in kept:
                log().warning("snapshot_missed", business_unit=unit, snapshot=name, due_at=one.due_at.isoformat())

    async def take(self, unit: str, name: str, by: str) -> Frozen:
        """Takes one now because somebody asked. Raises `Rejected` for a name that there is not."""
        known = names_of(self._policy.unit(unit).snapshots)
        if name not in known:
            raise Rejected(
                "Nothing of this name is frozen.", code="unknown-snapshot", field="name",
                fix=f"Use {', '.join(known)}; the policy names sets under snapshots.",
            )  # fmt: skip
        one = await self._taken(unit, name, self._clock.now(), by=by)
        await self._database.run(lambda tx: frozen.keep(tx, [one]))
        return one

    async def _taken(self, unit: str, name: str, at: datetime, by: str | None = None) -> Frozen:
        progress = await answering.progress(self._database)
        rules = self._policy.unit(unit).snapshots
        if name == FORECAST:
            content = await self._forecasts(unit, rules, at)
        else:
            content = {"kpis": [await self._kpi(unit, one, at, progress) for one in rules.sets[name]]}
        return self._frozen(unit, name, at, progress.folded_to, content, by=by)

    def _frozen(
        self, unit: str, name: str, at: datetime, folded_to: datetime | None, content: Any, *, by: str | None = None
    ) -> Frozen:
        until = at + timedelta(days=self._policy.unit(unit).snapshots.keep_days)
        scheduled = by is None
        return Frozen(unit, name, at, scheduled, by or "schedule", folded_to, self._policy.version, until, content)

    async def _forecasts(self, unit: str, rules: Snapshots, at: datetime) -> dict[str, Any]:
        currency = self._policy.unit(unit).currency
        found: list[list[dict[str, Any]]] = []
        for by in rules.forecasts_by or (None,):
            asked = [Asked(unit or None, period, periods, by, at, currency) for period, periods in PERIODS.items()]
            told = await forecasts_of(self._database, self._policy, asked)
            found.append([{"period": one.asked.period, **shown(one)} for one in told])
        return {"forecasts": [one for of_period in zip(*found, strict=True) for one in of_period]}

    async def _kpi(self, unit: str, one: FrozenKpi, at: datetime, progress: answering.Progress) -> dict[str, Any]:
        """One number's answer; why there is none, where there is none."""
        own = self._policy.unit(unit)
        parameters = [("as_of", at.isoformat()), ("group_by", ",".join(one.group_by))]
        if unit:
            parameters.append(("business_unit", unit))
        if one.period != "ever" and one.kpi in BY_ID and BY_ID[one.kpi].basis != "snapshot":
            first = own.calendar.first_of(one.period, at.astimezone(own.zone).date())
            after = own.calendar.moved(one.period, first, 1)
            parameters += [("from", first.isoformat()), ("to", after.isoformat())]
        try:
            question, _ = ask(one.kpi, parameters, self._policy, at)
            return await answered(self._database, self._policy, progress, question, None)
        except Rejected as refused:
            return {"kpi": one.kpi, "refused": refused.detail, "fix": refused.fix}


def names_of(rules: Snapshots) -> tuple[str, ...]:
    """What is frozen of a unit."""
    return (FORECAST, *rules.sets)


def faults(policy: Policy) -> Sequence[str]:
    """What the policy says of snapshots that cannot be meant."""
    units: Mapping[str, Snapshots] = {"defaults": policy.defaults.snapshots} | {
        name: unit.snapshots for name, unit in policy.business_units.items()
    }
    found = [
        f"{unit}: snapshots.sets.{name} names {one.kpi!r}, which is no KPI"
        for unit, rules in units.items()
        for name, numbers in rules.sets.items()
        for one in numbers
        if one.kpi not in BY_ID
    ]
    taken = [
        f"{unit}: a set of snapshots cannot be called {FORECAST!r}"
        for unit, rules in units.items()
        if FORECAST in rules.sets
    ]
    return list(dict.fromkeys((*found, *taken)))
