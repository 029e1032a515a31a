"""What forecasts of very many leads rest on comes from sums by day: as many as entries tell, and each within a day."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.metrics.storage import forecast_sums, forecasting
from services.metrics.storage.forecasting import Scope
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_expecting import POLICY
from tests.integration.metrics.test_forecasts import business, get
from tests.unit.metrics.stories import Told, day

NOW = day(400) + timedelta(hours=9)


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"), now=NOW, policy=POLICY)
    await found.fold_all(business(5, 390).facts)
    tried_out = Told("tehran").tell("tried out", "LeadCreated", 130)
    await found.fold_all(tried_out.facts)
    await found.fold_all(tried_out.tell("tried out", "LeadMarked", 131, mark="test").facts[1:])
    yield found
    await found.close()


@pytest.mark.parametrize("as_of", [day(480), NOW, day(300.4)], ids=["now", "a while ago", "long ago"])
@pytest.mark.parametrize("units", [(), ("default",), ("tehran",)])
async def test_sums_tell_what_entries_tell(metrics: Metrics, as_of: datetime, units: tuple[str, ...]) -> None:
    scope = Scope(units, "EUR", None, as_of)
    since = as_of - timedelta(days=364)
    weeks = await forecasting._by_week(metrics.database, scope, since)
    by_day = await forecast_sums.by_week(metrics.database, forecasting.COMING, units, as_of, since)
    assert bool(weeks) == bool(by_day) == (units != ("tehran",))
    for measure, counts in weeks.items():
        assert abs(sum(by_day[measure].values()) - sum(counts.values())) <= 6
        assert all(abs(by_day[measure].get(week, 0) - n) <= 6 for week, n in counts.items()), measure
    exact = await forecasting._lags(metrics.database, scope, many=False)
    told = await forecasting._lags(metrics.database, scope, many=True)
    assert np.array_equal(told[0].reached, exact[0].reached), "deals are looked at one by one"
    assert told[1].decided == exact[1].decided
    assert np.allclose(told[1].reached, exact[1].reached, atol=0.02)
    assert sum(told[2].values()) == sum(exact[2].values())
    of_entries, of_sums = ([age for age, n in sorted(one[2].items()) for _ in range(n)] for one in (exact, told))
    assert all(abs(one - other) <= 1 for one, other in zip(of_entries, of_sums, strict=True))


async def test_many_are_forecast_as_few_are_and_read_no_leads(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = await get(metrics, period="quarter", by="owner")
    monkeypatch.setattr(forecast_sums, "FEW", -1)
    read: list[Any] = []
    by_week = forecasting._by_week

    async def noting(*args: Any) -> Any:
        read.append(args)
        return await by_week(*args)

    monkeypatch.setattr(forecasting, "_by_week", noting)
    told = await get(metrics, period="quarter", by="owner")
    assert not read
    for of_few, of_many in zip(exact["periods"], told["periods"], strict=True):
        for method in ("weighted", "historical", "combined"):
            assert of_many["total"][method]["value"] == pytest.approx(of_few["total"][method]["value"], rel=0.02)
