"""An answer that is a refusal is no measurement."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import httpx
import pytest

from tests.load.parts import kpis
from tests.support.services import RunningServices


def test_a_refused_kpi_query_fails_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    client = httpx.Client
    refusing = httpx.MockTransport(lambda _: httpx.Response(503, text="too slow"))
    monkeypatch.setattr(httpx, "Client", lambda **_: client(transport=refusing))
    services = SimpleNamespace(url=lambda _: "http://metrics")
    with pytest.raises(RuntimeError, match=r"answered 503 after .* too slow"):
        kpis._asked(cast(RunningServices, services))
