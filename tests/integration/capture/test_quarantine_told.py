"""What comes into quarantine and becomes of it is told once, and says nothing of what was sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from pydantic import SecretStr

from services.capture.app import create_app
from services.capture.storage.quarantine import erase_quarantined
from shared.cli.topic import open_topic
from shared.contracts.quarantine_events import PayloadQuarantined, QuarantineSettled
from shared.contracts.topics import CAPTURE_LEADS, CAPTURE_QUARANTINE, TOPICS
from shared.kit.database import Database
from shared.kit.frames import unpack
from tests.integration.capture.conftest import led
from tests.integration.capture.quarantine_door import BROKEN, KEEP, Door
from tests.integration.capture.test_quarantine_ends import a_keeping
from tests.support.brokers import fresh_broker
from tests.support.choice import Server
from tests.support.exposition import sample_sum
from tests.support.patience import eventually
from tests.support.topics import create_topics
from tests.unit.capture.fakes import NOW, a_client, lead, the_settings

Told = PayloadQuarantined | QuarantineSettled
TAKEN = {"email": "ada@example.com", "channel": "web_form"}
KEY = {"Idempotency-Key": "k"}


def told(door: Door) -> list[Told]:
    """What waits for the log, in order."""
    frames = [row[0] for row in door.rows("SELECT frame FROM capture.outbox ORDER BY id")]
    messages = [one for frame in frames for one in unpack(bytes(frame))]
    assert {one.topic for one in messages} <= {CAPTURE_QUARANTINE.name}
    events = [CAPTURE_QUARANTINE.parse(one.value) for one in messages]
    assert [one.key.decode() for one in messages] == [str(event.lead_id) for event in events]
    return [event for event in events if isinstance(event, Told)]


def story(events: list[Told]) -> list[str]:
    return [one.outcome if isinstance(one, QuarantineSettled) else one.reason for one in events]


async def test_an_entry_is_told_once_and_what_became_of_it(door: Door) -> None:
    entry = await door.refused(BROKEN, KEY)
    await door.refused(BROKEN, KEY)

    async def came_twice() -> bool:
        return bool((await door.ask(f"/{entry}"))["times"] == 2)

    await eventually(came_twice)
    await door.do(entry, "fix", {"patch": {"name": "Ada"}})
    released = await door.do(entry, "release")
    await door.do(entry, "release")
    came, settled = told(door)
    assert isinstance(came, PayloadQuarantined)
    assert isinstance(settled, QuarantineSettled)
    assert (came.kind, came.reason, came.channel, came.occurred_at) == ("lead", "invalid", "web_form", NOW)
    assert (settled.outcome, settled.became) == ("released", UUID(released["event_id"]))
    assert settled.causation_id == settled.lead_id == came.event_id
    messages = b"".join(bytes(row[0]) for row in door.rows("SELECT frame FROM capture.outbox"))
    for said in (b"Lovelace", b"ada@example", entry.encode()):
        assert said not in messages, "an entry's id is made of what was sent"


async def test_what_begins_anew_is_another_one(door: Door) -> None:
    entry = await door.refused(BROKEN, KEY)
    await door.do(entry, "drop")
    door.clock.advance(timedelta(days=1))
    await door.refused(BROKEN, KEY)

    async def begun_anew() -> bool:
        return bool((await door.ask(f"/{entry}"))["status"] == "open")

    await eventually(begun_anew)
    door.clock.advance(KEEP + timedelta(days=1))
    keeping, _ = a_keeping(door)
    await keeping.once()
    first, dropped, second, expired = events = told(door)
    assert story(events) == ["invalid", "dropped", "invalid", "expired"]
    assert first.event_id != second.event_id
    assert (dropped.causation_id, expired.causation_id) == (first.event_id, second.event_id)


async def test_whoever_is_erased_is_told_of_without_a_name(door: Door) -> None:
    await door.refused(BROKEN)
    tokens = [one.token for one in lead({"email": "ada@example.com"}).identities]
    database = Database(door.url, schema="capture", clock=door.clock)
    assert await database.run(lambda tx: erase_quarantined(tx, tokens)) == 1
    assert await database.run(lambda tx: erase_quarantined(tx, tokens)) == 0
    await database.close()
    assert story(told(door)) == ["invalid", "erased"]


async def test_what_was_there_before_anything_was_told_is_told_later_and_once(door: Door) -> None:
    entries = [await door.refused({**BROKEN, "name": [number]}) for number in range(3)]
    await door.do(entries[0], "drop")
    for statement in ("UPDATE capture.quarantine SET told = NULL, told_as = NULL", "DELETE FROM capture.outbox"):
        door.rows(f"WITH done AS ({statement} RETURNING 1) SELECT count(*) FROM done")
    keeping, _ = a_keeping(door)
    await keeping.once()
    assert sorted(story(told(door))) == ["dropped", "invalid", "invalid", "invalid"]
    await keeping.once()
    assert len(told(door)) == 4


async def test_it_reaches_the_log(migrated_database: Callable[..., str], channel_log: str) -> None:
    app = create_app(
        the_settings(database_url=SecretStr(migrated_database("capture")), kafka_bootstrap=channel_log, receipts=False)
    )
    async with app.router.lifespan_context(app), a_client(app) as client:
        assert (await client.post("/v1/leads", json=BROKEN)).status_code == 422

        async def on_the_log() -> list[Told]:
            async with open_topic(channel_log, CAPTURE_QUARANTINE.name) as topic:
                at = dict(topic.begins)
                found: list[Told] = []
                async for batch in topic.batches(at, topic.ends, 100):
                    for place, records in batch.items():
                        found += [CAPTURE_QUARANTINE.parse(record.value or b"") for record in records]  # type: ignore[misc]
                        at[place] = records[-1].offset + 1
            assert found, "nothing is there yet"
            return found

        (came,) = await eventually(on_the_log, within_seconds=30)
        assert (came.event, getattr(came, "sender", None)) == ("PayloadQuarantined", "dev")


async def test_where_it_cannot_be_told_intake_goes_on(migrated_database: Callable[..., str], broker: Server) -> None:
    url = migrated_database("capture")
    with fresh_broker(broker) as bootstrap:
        await create_topics(bootstrap, set(TOPICS) - {CAPTURE_QUARANTINE.name})
        await led(bootstrap, CAPTURE_LEADS.name)
        app = create_app(
            the_settings(
                database_url=SecretStr(url), kafka_bootstrap=bootstrap, receipts=False, produce_deadline_seconds=1.0
            )
        )
        async with app.router.lifespan_context(app), a_client(app) as client:

            async def ready() -> bool:
                return (await client.get("/readyz")).status_code == 200

            await eventually(ready, within_seconds=20)
            assert (await client.post("/v1/leads", json=BROKEN)).status_code == 422
            seen: list[bool] = []

            async def tried_again_and_again() -> bool:
                seen.append(await ready())
                shown = (await client.get("/metrics")).text
                return sample_sum(shown, "leadflow_outbox_oldest_age_seconds") > 4

            await eventually(tried_again_and_again, within_seconds=30)
            assert all(seen)
            assert (await client.post("/v1/leads", json=TAKEN)).status_code == 202
