"""What is folded while an answer is made and happened after the moment that is asked about is not in the answer."""

from __future__ import annotations

from typing import Any

import pytest

from services.metrics.storage import answering
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told, day


@pytest.mark.parametrize("cut", ["channel", "channel,owner"])
async def test_an_answer_is_the_same_whatever_is_folded_beside_it(
    metrics: Metrics, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"as_of": day(5).isoformat(), "group_by": cut}
    await metrics.fold(Told().tell("a", "LeadCreated", 1, channel="phone").facts)
    before = await metrics.ask("leads_created", **asked)
    values_of = answering.values_of

    async def meanwhile(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(answering, "values_of", values_of)
        await metrics.fold(Told().tell("b", "LeadCreated", 6, channel="phone").facts)
        return await values_of(*given, **named)

    monkeypatch.setattr(answering, "values_of", meanwhile)
    during = await metrics.ask("leads_created", **asked)
    after = await metrics.ask("leads_created", **asked)
    assert [one["total"]["value"] for one in (before, during, after)] == [1, 1, 1]
    assert during["groups"] == after["groups"] == before["groups"]
