"""The door's book of channels: each delivery of somebody known is in one column, and what nobody proved is in none."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.capture.quarantine_door import Door
from tests.integration.capture.test_quarantined_deliveries import KEY, SECRET, channels_app, deliver
from tests.support.clock import FakeClock
from tests.support.patience import eventually
from tests.unit.capture.channels import signing
from tests.unit.capture.channels.test_emails import mail
from tests.unit.capture.fakes import NOW, READ_KEY, FakeLog, a_client

LARGE = b" " * 600_000
FEED = json.dumps({"object": "page", "entry": [{"changes": [{"field": "feed", "value": {}}]}]}).encode()
LEAD = b'{"email": "ada@example.com"}'
NOBODY = mail(**{"from": "no-reply@example.com"})


@asynccontextmanager
async def a_door(url: str, log: FakeLog, tmp_path: Path, **settings: Any) -> AsyncIterator[Door]:
    clock = FakeClock(NOW)
    app = channels_app(url, log, tmp_path, clock, **settings)
    async with app.router.lifespan_context(app), a_client(app, key=None) as client:
        yield Door(url, client, log, clock)


async def booked(door: Door) -> dict[tuple[str, str], int]:
    """What the door's book says, by sender and column, once it says anything of the last delivery."""

    async def all_of_it() -> dict[tuple[str, str], int]:
        rows = door.rows("SELECT sender, outcome, items FROM capture.door_counts")
        assert ("json", "taken", 1) in rows, "the book is not written yet"
        return {(sender, outcome): items for sender, outcome, items in rows}

    # Counts are written together: the last delivery closes the book.
    assert (await deliver(door.client, "json", LEAD, KEY)).status_code == 200
    return await eventually(all_of_it)


@pytest.mark.parametrize(
    ("name", "body", "headers", "status", "column"),
    [
        ("chat", LARGE, KEY, 413, "rejected"),
        ("chat", LEAD, {**KEY, "Content-Encoding": "gzip"}, 415, "rejected"),
        ("chat", LEAD, {**KEY, "Idempotency-Key": ""}, 422, "rejected"),
        ("email", NOBODY, {**KEY, "Content-Type": "message/rfc822"}, 200, "ignored"),
        ("check_in", b"[]", KEY, 200, "ignored"),
        ("meta_lead_ads", FEED, signing.meta(FEED, SECRET), 200, "ignored"),
        ("meta_lead_ads", FEED, {**signing.meta(FEED, SECRET), "Idempotency-Key": ""}, 422, "rejected"),
        ("meta_lead_ads", LARGE, KEY, 413, "rejected"),
        ("form", LARGE, {}, 413, "rejected"),
        ("chat", LARGE, {}, 413, None),
        ("meta_lead_ads", LARGE, signing.meta(LARGE, SECRET), 413, None),
        ("meta_lead_ads", FEED, signing.meta(FEED, "another"), 401, None),
        ("chat", LEAD, {"X-API-Key": "nobodys"}, 401, None),
        ("chat", LEAD, {"X-API-Key": READ_KEY}, 403, None),
        ("chat", LARGE, {"X-API-Key": READ_KEY}, 413, None),
    ],
)
async def test_a_delivery_of_somebody_known_is_in_one_column(
    migrated_database: Callable[..., str],
    log: FakeLog,
    tmp_path: Path,
    name: str,
    body: bytes,
    headers: Mapping[str, str],
    status: int,
    column: str | None,
) -> None:
    async with a_door(migrated_database("capture"), log, tmp_path) as door:
        answer = await deliver(door.client, name, body, headers)
        assert answer.status_code == status, answer.text
        assert (await booked(door)) == {("json", "taken"): 1} | ({} if column is None else {(name, column): 1})


async def test_a_key_and_a_form_over_their_rates_are_told_to_come_again_and_counted_so(
    migrated_database: Callable[..., str], log: FakeLog, tmp_path: Path
) -> None:
    rates = {"rate_per_second": 1.0, "rate_burst_seconds": 1.0}
    async with a_door(migrated_database("capture"), log, tmp_path, **rates) as door:
        many = json.dumps([{"name": str(number)} for number in range(3)]).encode()
        assert (await deliver(door.client, "json", many, KEY)).status_code == 200
        assert (await deliver(door.client, "json", many, KEY)).status_code == 429
        forms = [(await deliver(door.client, "form", LEAD, {})).status_code for _ in range(200)]
        taken, refused = forms.count(200), forms.count(429)
        assert taken
        assert refused
        assert taken + refused == 200

        async def counted() -> None:
            rows = door.rows("SELECT sender, outcome, items FROM capture.door_counts ORDER BY 1, 2")
            assert rows == [
                ("form", "deferred", refused),
                ("form", "taken", taken),
                ("json", "deferred", 1),
                ("json", "taken", 3),
            ]

        await eventually(counted)
