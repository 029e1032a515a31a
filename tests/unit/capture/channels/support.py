"""What the tests of channels share: endpoints where only what is in question is named, a client of their addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from services.capture.app import create_app
from services.capture.domain import Refused
from services.capture.domain.channels import ADAPTERS, Delivery, Draft, Ignored
from shared.contracts.policy import Endpoint
from tests.support.clock import FakeClock
from tests.unit.capture.fakes import NOW, FakeLog, a_client, the_settings

SECRETS = {"SENDER": ("newest-secret-of-the-sender", "older-secret-of-the-sender")}


def an_endpoint(adapter: str, **given: Any) -> Endpoint:
    """An endpoint of that adapter."""
    form: dict[str, Any] = {"allowed_origins": ["https://www.example.com"]} if adapter == "form" else {}
    return Endpoint.model_validate({"adapter": adapter, "channel": "web_form", **form, **given})


def read(adapter: str, content: object, *, headers: Mapping[str, str] | None = None, **given: Any) -> list[Draft]:
    """What an adapter makes of a delivery that it can read."""
    endpoint = an_endpoint(adapter, **given)
    reading = ADAPTERS[endpoint.adapter].read(Delivery(content=content, headers=headers or {}), endpoint)
    assert not isinstance(reading, Refused | Ignored), reading
    return list(reading)


def ignored(adapter: str, content: object, **given: Any) -> str:
    """Why an adapter finds nothing to take in a delivery."""
    endpoint = an_endpoint(adapter, **given)
    reading = ADAPTERS[endpoint.adapter].read(Delivery(content=content), endpoint)
    assert isinstance(reading, Ignored), reading
    return reading.reason


def refused(adapter: str, content: object, **given: Any) -> dict[str, str]:
    """What an adapter finds wrong with a delivery, by field."""
    endpoint = an_endpoint(adapter, **given)
    reading = ADAPTERS[endpoint.adapter].read(Delivery(content=content), endpoint)
    assert isinstance(reading, Refused), reading
    return {fault.field: fault.fault for fault in reading.faults}


@asynccontextmanager
async def a_door(
    tmp_path: Path,
    endpoints: dict[str, dict[str, Any]],
    *,
    log: FakeLog,
    clock: FakeClock | None = None,
    **settings: Any,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key, of a capture whose default unit has these endpoints and whose unit `tehran` has them too."""
    policy = {
        "version": "test",
        "defaults": {
            "country": "NL",
            "channels": ["web_form", "social", "phone", "chat", "email", "event"],
            "endpoints": endpoints,
        },
        "business_units": {"tehran": {"country": "IR", "time_zone": "Asia/Tehran"}},
    }
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(policy))
    given = the_settings(channel_secrets=" ".join(f"{n}={s}" for n, them in SECRETS.items() for s in them), **settings)
    app = create_app(given.model_copy(update={"policy_file": file}), log=log, clock=clock or FakeClock(NOW))
    async with a_client(app, key=None) as client:
        yield client
