"""What is still to come: the forecast of this period and the next one, as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from services.metrics.domain.forecasting import METHODS
from services.metrics.forecasts import Asked, Forecast, forecast, windows_from
from services.metrics.reporting.document import Cell, Line, Table
from services.metrics.reporting.plan import Scope
from services.metrics.reporting.units import Kind, shown
from services.metrics.reporting.wording import Wording
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import Period
from shared.kit.database import Database

PERIODS = 2
OF: Mapping[Period, Period] = {"day": "month", "week": "month"}
"""Deals are not forecast by shorter periods than months."""


async def outlook(database: Database, policy: Policy, scope: Scope, period: Period) -> Forecast | None:
    """The forecast of one unit or of all; None of several, which have no forecast together."""
    if len(scope.units) > 1:
        return None
    unit = next(iter(scope.units), None)
    own = policy.unit(unit or "")
    of = OF.get(period, period)
    asked = Asked(unit, of, PERIODS, None, scope.as_of, own.currency)
    today = scope.as_of.astimezone(own.zone).date()
    return await forecast(database, policy, asked, windows_from(scope.calendar, of, today, PERIODS))


def table(words: Wording, found: Forecast | None, link: Callable[[str], str]) -> Table | None:
    """Each period by each way to forecast it, with its interval; None where nothing was ever decided or is open."""
    if found is None or not any(part.mean for _, total, _ in found.windows for part in total.values()):
        return None
    asked = found.asked
    lines = []
    for window, total, _ in found.windows:
        cells = []
        for method in METHODS:
            part = total[method]
            low, high = (
                shown(words, Kind.MONEY, one, asked.currency) for one in (part.interval.low, part.interval.high)
            )
            note = words.text("interval", level=words.share(part.interval.level, 0), low=low, high=high)
            cells.append(Cell((shown(words, Kind.MONEY, part.mean, asked.currency),), note=note))
        lines.append(Line(words.period(window.name), True, tuple(cells)))
    query = {
        "period": asked.period,
        "periods": PERIODS,
        "as_of": asked.as_of.isoformat(),
        "currency": asked.currency,
        "calendar": words.system,
    }
    if asked.unit is not None:
        query["business_unit"] = asked.unit
    title = words.text("ahead_by", period=words.word(asked.period))
    if found.ground.without_rate:
        left_out = words.listed(words.currency(one) for one in found.ground.without_rate)
        title = words.text("ahead_without", title=title, currencies=left_out)
    return Table(
        title=title,
        heading=words.text("period_column"),
        columns=tuple(words.text(key) for key in ("weighted", "historical", "combined")),
        lines=tuple(lines),
        href=link(f"/v1/forecast?{urlencode(query)}"),
    )
