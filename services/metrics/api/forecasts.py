"""Forecasts: HTTP out."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from services.metrics.access import guard
from services.metrics.domain.expecting import LEVEL
from services.metrics.domain.forecasting import METHODS
from services.metrics.forecasts import Ahead, Asked, accuracy, backtest, forecast, shown, shown_part, windows_from
from services.metrics.moments import moment_gone
from services.metrics.storage import answering
from shared.contracts.envelope import Currency
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import System
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.problems import JSONAnswer

By = Literal["owner", "team", "business_unit"]
Level = Annotated[float, Query(ge=0.5, le=0.99, description="The share of outcomes that an interval is to hold.")]
Unit = Annotated[str | None, Query(description="One unit; all of them when left out.")]
AsOf = Annotated[str | None, Query(description="A timestamp or a date, midnight UTC; now when left out.")]
Money = Annotated[
    Currency | None,
    Query(description="The unit's own when left out. Others count at their rates; those that have none are named."),
]


def router(database: Database, policy: Policy, clock: Clock) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1/forecast", tags=["forecast"], dependencies=[Depends(guard)])

    def asked(
        unit: str | None,
        period: Ahead,
        periods: int,
        by: str | None,
        as_of: str | None,
        currency: str | None,
        level: float,
    ) -> Asked:
        own, now = policy.unit(unit or "").currency, clock.now()
        at = moment_gone("as_of", as_of, now) if as_of else now
        return Asked(unit, period, periods, by, at, currency or own, level)

    @routes.get("", summary="What will be won in this period and the next ones")
    async def ahead(
        period: Ahead = "quarter",
        periods: Annotated[int, Query(ge=1, le=8)] = 2,
        by: Annotated[By | None, Query(description="Everybody together when left out.")] = None,
        business_unit: Unit = None,
        as_of: AsOf = None,
        currency: Money = None,
        level: Level = LEVEL,
        calendar: Annotated[
            System | None, Query(description="By whose months: those of the unit's own when left out.")
        ] = None,
    ) -> JSONAnswer:
        """`weighted` is what stages and expected dates of open deals say, `historical` what became of deals and leads of the same
        age, and of those that will come, `combined` is both."""
        progress = await answering.progress(database)
        wanted = asked(business_unit, period, periods, by, as_of, currency, level)
        windows = None
        if calendar is not None:
            own = policy.unit(business_unit or "")
            today = wanted.as_of.astimezone(own.zone).date()
            windows = windows_from(own.calendar.in_system(calendar), period, today, periods)
        found = await forecast(database, policy, wanted, windows)
        return JSONAnswer({**shown(found), "folded_to": progress.folded_to})

    @routes.get("/backtest", summary="How such forecasts would have done in the past")
    async def past(
        period: Ahead = "quarter",
        back: Annotated[int, Query(ge=1, le=24, description="How many whole periods.")] = 8,
        lead_days: Annotated[int, Query(ge=0, le=365, description="How long before each began.")] = 0,
        business_unit: Unit = None,
        as_of: AsOf = None,
        currency: Money = None,
        level: Level = LEVEL,
    ) -> JSONAnswer:
        """From the facts as they happened, not as they were known: what was known is in frozen forecasts."""
        asked_for = asked(business_unit, period, 1, None, as_of, currency, level)
        rows = await backtest(database, policy, asked_for, back=back, lead_days=lead_days)
        methods = {
            method: {
                **accuracy([(told[method].mean, actual) for _, actual, told in rows]),
                "within_interval": sum(
                    told[method].interval.low <= actual <= told[method].interval.high for _, actual, told in rows
                ),
            }
            for method in METHODS
        }
        return JSONAnswer(
            {
                "as_of": asked_for.as_of,
                "business_unit": business_unit,
                "currency": asked_for.currency,
                "lead_days": lead_days,
                "level": level,
                "n": len(rows),
                "methods": methods,
                "periods": [
                    {
                        "period": window.name,
                        "from": window.first,
                        "to": window.after,
                        "actual": actual,
                        **{method: shown_part(told[method]) for method in METHODS},
                    }
                    for window, actual, told in rows
                ],
            }
        )

    return routes
