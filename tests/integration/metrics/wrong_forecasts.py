"""Ways to forecast wrongly, and to judge forecasts: each is put into the running service, and the proof has to notice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from statistics import NormalDist
from typing import Any

from services.metrics import forecasts
from services.metrics.domain import expecting, forecasting, freezing
from services.metrics.domain.entries import Measure
from services.metrics.domain.forecasting import Coming, Lag, OpenDeals, Span
from services.metrics.storage import forecasting as reading
from services.metrics.storage import judging
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import Calendar, Period
from shared.kit.database import Database
from tests.integration.metrics.wrong import Patch, Wrong, in_sql

WRONG_FORECASTS: list[Wrong] = []


def wrong(name: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Adds to the list."""

    def added(put_in: Callable[[Patch], None]) -> Callable[[Patch], None]:
        WRONG_FORECASTS.append(Wrong(name, put_in))
        return put_in

    return added


@wrong("who was put aside waits still")
def _(patch: Patch) -> None:
    original = reading._left

    def left(ages: Mapping[str, Mapping[int, int]], began: Measure, *ended: Measure) -> dict[int, int]:
        return original(ages, began, *ended[:1])

    patch.setattr(reading, "_left", left)


@wrong("a deal is as likely won however long it is open")
def _(patch: Patch) -> None:
    original = Lag.between
    patch.setattr(Lag, "between", lambda self, age, start, end: original(self, 0, start, end))


@wrong("what took a part of a day took none")
def _(patch: Patch) -> None:
    in_sql(patch, "ceil(coalesce", "floor(coalesce")


@wrong("what was lost long ago counts")
def _(patch: Patch) -> None:
    patch.setattr(reading, "DAYS_SEEN", 3_650)


@wrong("as much comes as in the last year")
def _(patch: Patch) -> None:
    patch.setattr(reading, "DAYS_OF_ARRIVALS", 364)


@wrong("first deals of leads are further ones too")
def _(patch: Patch) -> None:
    in_sql(patch, "floor(extract(epoch FROM CAST(:as_of AS timestamptz) - at) / 604800)", "CASE measure WHEN 'lead_converted' THEN 99 ELSE floor(extract(epoch FROM CAST(:as_of AS timestamptz) - at) / 604800) END")  # fmt: skip


@wrong("what was won counts at the rate of now")
def _(patch: Patch) -> None:
    original = reading.InOne.rate
    patch.setattr(reading.InOne, "rate", lambda self, currency, _: original(self, currency, None))


@wrong("what has no rate counts one for one")
def _(patch: Patch) -> None:
    original = reading.InOne.rate
    patch.setattr(reading.InOne, "rate", lambda self, currency, day: original(self, currency, day) or 1.0)


@wrong("what people say is believed")
def _(patch: Patch) -> None:
    patch.setattr(forecasting, "TRUST", 1.0)


@wrong("a deal that should have closed is closed")
def _(patch: Patch) -> None:
    original = forecasting.weighted

    def weighted(deals: Iterable[OpenDeals], span: Span) -> expecting.Moments:
        return original(deals, span._replace(begun=0))

    patch.setattr(forecasting, "weighted", weighted)


@wrong("what comes is everybody's whole")
def _(patch: Patch) -> None:
    patch.setattr(Coming, "share", lambda self, _: self)


@wrong("leads come as if by chance")
def _(patch: Patch) -> None:
    patch.setattr(reading, "unevenness", lambda _: 1.0)


@wrong("bounds are as far above as below")
def _(patch: Patch) -> None:
    patch.setattr(expecting, "_quantile", lambda _, share: NormalDist().inv_cdf(share))


@wrong("a forecast stands however long ago it was frozen")
def _(patch: Patch) -> None:
    patch.setattr(freezing, "NEAR", timedelta(days=400))
    patch.setattr(judging, "NEAR", timedelta(days=400))


@wrong("the first forecast that is near enough stands")
def _(patch: Patch) -> None:
    original = freezing.standing_for

    def standing_for(
        frozen: Iterable[freezing.FrozenForecast], begins: datetime, lead_days: int
    ) -> freezing.FrozenForecast | None:
        for one in frozen:
            if original([one], begins, lead_days) is not None:
                return one
        return None

    patch.setattr(judging, "standing_for", standing_for)


@wrong("a forecast is judged by what was won by the middle")
def _(patch: Patch) -> None:
    original = judging._told

    def told(rows: Sequence[Any]) -> dict[str, judging.Told]:
        found = original(rows)
        return {name: one._replace(after=_middle(one.first, one.after)) for name, one in found.items()}

    patch.setattr(judging, "_told", told)


def _middle(first: date, after: date) -> date:
    return first + (after - first) // 2


@wrong("what would have been forecast knows what came")
def _(patch: Patch) -> None:
    original = forecasts.forecast

    async def forecast(database: Database, policy: Policy, asked: forecasts.Asked, *ahead: Any) -> forecasts.Forecast:
        over = ahead[0][0].after if ahead else asked.as_of.date()
        late = datetime.combine(over, datetime.min.time(), asked.as_of.tzinfo)
        return await original(database, policy, replace(asked, as_of=late) if ahead else asked, *ahead)

    patch.setattr(forecasts, "forecast", forecast)


@wrong("the period that runs is looked back on")
def _(patch: Patch) -> None:
    original = forecasts.windows_from

    def windows_from(calendar: Calendar, period: Period, day: date, count: int) -> list[forecasts.Window]:
        found = original(calendar, period, day, count + 1)
        return found[1:] if count > 1 and day == found[0].first else found[:count]

    patch.setattr(forecasts, "windows_from", windows_from)
