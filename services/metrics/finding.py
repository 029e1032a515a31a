"""Looks for what changed, unit by unit, and tells what is no chance and matters."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.metrics.domain import changing
from services.metrics.domain.changing import REFERENCES, Found
from services.metrics.domain.findings import METHODS, Finding, Kind, Place, Windows, chosen, usual_days
from services.metrics.domain.targets import Standing
from services.metrics.storage import answering
from services.metrics.storage import finding as storage
from services.metrics.storage.attaining import Attaining
from shared.contracts.policy import Policy
from shared.kit.database import Database

Tested = list[tuple[Place, Found]]

OFF_PACE = 0.1
"""How far off the pace of a target is worth telling, and how much of its days have to be over."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found, how many tests that took, and what was too much to test."""

    findings: tuple[Finding, ...]
    tests: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Looking:
    """A look at everything, as of a moment. The same moment and facts find the same."""

    database: Database
    policy: Policy

    async def look(self, as_of: datetime, units: Sequence[str] = ()) -> Looked:
        """At these units, or all of which anything was counted in a year."""
        tested: Tested = []
        left_out: list[str] = []
        for unit in units or await storage.units(self.database, as_of.date() - timedelta(days=366)):
            windows = Windows(as_of.astimezone(self.policy.unit(unit).zone).date())
            tested += await self._dwell(unit, windows, as_of, left_out)
            tested += await self._drop_off(unit, windows, as_of)
            tested += await self._levels(unit, windows, as_of)
        found = [*chosen(tested), *await self._off_pace(as_of, units)]
        return Looked(tuple(found), len(tested), tuple(left_out))

    async def _dwell(self, unit: str, windows: Windows, as_of: datetime, left_out: list[str]) -> Tested:
        after, before = windows.dwell
        found: Tested = []
        for one in await storage.stays(self.database, unit, windows, as_of):
            if one.sides is None:
                left_out.append(f"{one.kpi} of {one.stage}, {unit}: more than {storage.MOST_STAYS:,} stays")
                continue
            test = await asyncio.to_thread(changing.of_dwell, *one.sides)
            if test is not None:
                found.append((Place(Kind.DWELL, one.kpi, unit, {"stage": one.stage}, after, before), test))
        return found

    async def _drop_off(self, unit: str, windows: Windows, as_of: datetime) -> Tested:
        after, before = windows.drop_off
        found: Tested = []
        for stage, was, became in await storage.losses(self.database, unit, windows, as_of):
            test = await asyncio.to_thread(changing.of_drop_off, was, became)
            if test is not None:
                found.append((Place(Kind.DROP_OFF, "stage_drop_off", unit, {"stage": stage}, after, before), test))
        return found

    async def _levels(self, unit: str, windows: Windows, as_of: datetime) -> Tested:
        rules, today = self.policy.unit(unit), windows.today
        first = today - timedelta(days=7 * (REFERENCES + 1))
        counted = await storage.daily(self.database, unit, first, today, as_of, sorted(rules.channels))
        began = min((day for days in counted.values() for day in days), default=today)
        found: Tested = []
        for days in (1, 7):
            usual = usual_days(today, days, REFERENCES, rules.working_hours.holidays)
            if usual is None:
                continue
            last, weeks = usual
            weeks = [week for week in weeks if week[0] >= began]
            after = last[0], today
            before = min((week[0] for week in weeks), default=last[0]), last[0]
            for (measure, channel), numbers in counted.items():
                sums = [sum(numbers.get(day, 0) for day in week) for week in (last, *weeks)]
                test = await asyncio.to_thread(changing.of_count, sums[1:], sums[0])
                if test is not None:
                    cut = {} if channel is None else {"channel": channel}
                    found.append((Place(Kind.LEVEL, storage.LEVELS[measure], unit, cut, after, before), test))
        return found

    async def _off_pace(self, as_of: datetime, units: Sequence[str]) -> list[Finding]:
        attaining = Attaining(self.database, self.policy, await answering.progress(self.database))
        every = await attaining.of_today(as_of, list(units) or None)
        return [found for one in await attaining.standings(every, as_of) if (found := _of_pace(one)) is not None]


def _of_pace(one: Standing) -> Finding | None:
    off = one.off_pace
    if off is None or off < OFF_PACE or one.on_pace is not False or one.elapsed_share < OFF_PACE:
        return None
    aim = one.target.aim
    window = aim.first_day, aim.after_day
    place = Place(Kind.PACE, one.definition.id, aim.business_unit or "", dict(aim.cut), window, window, aim.currency)
    return Finding(place, Found(one.expected, one.actual, one.n, one.n, one.pace, 0.0, True), None)


def shown(finding: Finding, as_of: datetime) -> dict[str, Any]:
    """A finding with the numbers behind it and where they are asked for."""
    place, found = finding.place, finding.found

    def side(window: tuple[Any, Any], value: float | None, n: int, *, after: bool) -> dict[str, Any]:
        wanted = place.kind is Kind.PACE and not after
        query = place.expected(as_of) if wanted else place.query(window, as_of)
        told = {"from": window[0], "to": window[1], "value": value, "n": n}
        return {**told, "query": query, "query_answers": place.answered(after=after)}

    return {
        "id": place.finding_id,
        "kind": place.kind,
        "kpi": place.kpi,
        "business_unit": place.business_unit or None,
        "cut": place.cut,
        "currency": place.currency,
        "direction": finding.direction,
        "before": side(place.before, found.before, found.n_before, after=False),
        "after": side(place.after, found.after, found.n_after, after=True),
        "effect": found.effect,
        "p": None if finding.q is None else found.p,
        "q": finding.q,
        "method": METHODS[place.kind],
    }
