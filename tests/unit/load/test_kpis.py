"""What is asked of metrics is all there is, and an answer that is a refusal is no measurement."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from services.metrics.domain.definitions import BY_ID
from shared.contracts.policy import Policy
from shared.kit.documents import read_yaml
from tests.load import asking
from tests.load.parts import kpis


def test_every_kpi_is_asked_for_over_every_window_with_each_single_cut() -> None:
    asked = asking.questions(read_yaml(Path("policy.yaml"), Policy), quick=False)
    promised = [one for one in asked if one.promised]
    assert {one.kpi for one in promised} == set(BY_ID)
    by_owner = [one for one in promised if one.kpi == "leads_created" and ("group_by", "owner") in one.parameters]
    assert len({tuple(part for part in one.parameters if part[0] in ("from", "to")) for one in by_owner}) == 4
    of_forecasts = {one.parameters for one in promised if one.kpi == "forecast_accuracy"}
    assert not any(("channel", "web_form") in parameters for parameters in of_forecasts)
    assert any(("group_by", "owner") in parameters for parameters in of_forecasts)
    assert not any(("group_by", "channel") in parameters for parameters in of_forecasts)
    assert {one.group for one in asked if not one.promised} >= {"another attribution", "several cuts", "by the clock"}


def test_a_refused_kpi_query_fails_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    client = httpx.Client
    refusing = httpx.MockTransport(
        lambda request: httpx.Response(503 if "csat" in request.url.path else 200, text="too slow")
    )
    monkeypatch.setattr(httpx, "Client", lambda **_: client(transport=refusing))
    asked = [asking.Asked("sums", kpi, (), promised=True) for kpi in ("csat", "orders")]
    took = asking.answers("http://metrics", asked)
    assert [one.kpi for one in took.times] == ["orders"]
    with pytest.raises(RuntimeError, match="1 questions were not answered"):
        kpis._lines({1: took})
