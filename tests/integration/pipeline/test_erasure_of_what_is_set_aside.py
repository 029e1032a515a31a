"""What waits for its lead, and what could not be processed, is forgotten with its person, and in time without being asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import httpx
import orjson

from services.pipeline.forgetting import Forgetting
from shared.contracts.capture_events import LeadCaptured, Personal
from shared.contracts.personal import REDACTED
from shared.kit.database import Transaction
from shared.kit.redaction import Redaction
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.erasing import ANN, erase, just_now, says_nothing
from tests.integration.pipeline.test_stream import names
from tests.support.clock import FakeClock
from tests.unit.pipeline.builders import a_lead, an_id, an_interaction, at


async def put_dead(pipeline: Pipeline, values: list[bytes], first: int = 0) -> None:
    async def work(tx: Transaction) -> None:
        for place, value in enumerate(values, first):
            await tx.execute(
                """
                INSERT INTO pipeline.dead_letters (topic, partition, record_offset, record_timestamp, key, value, headers,
                    stage, reason, detail, recorded_at, attempts, status)
                VALUES ('capture.leads.v1', 0, :place, :now, 'k', :value, '[]', 'handle', 'bug', '', :now, 1, 'open')""",
                {"place": place, "value": value, "now": tx.now},
            )

    await pipeline.database.run(work)


async def test_what_waits_keeps_what_happened_and_is_still_recognised(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    who = Personal(message="call me", email="ann@x.example")
    before = an_interaction("ann@x.example", kind="form_submit", personal=who, **just_now())
    await pipeline.take(before)
    under_way = an_interaction("ann@x.example", occurred_at=at(1), personal=who, **just_now())
    done = await erase(http, email="ann@x.example")
    assert done["erased"]["waiting"] == 1
    await pipeline.take(under_way)
    await says_nothing(pipeline)
    created, *touches = await pipeline.take(a_lead("ann@x.example", occurred_at=at(5), **just_now()))
    assert names(touches) == ["LeadTouched", "LeadTouched"]
    assert await pipeline.take(before, under_way) == []
    assert (await pipeline.lead(created.lead_id)).conflicts == 0


async def test_what_has_waited_too_long_says_no_more_who_it_is_about(pipeline: Pipeline) -> None:
    visit = an_interaction(visitor="v9", personal=Personal(message="call me"))
    await pipeline.take(visit)
    week = timedelta(days=7)
    forgetting = Forgetting(pipeline.database, pipeline.handlers.fingerprint, waiting=week, letters=week, commands=week)
    assert (await forgetting.once(), await forgetting.once()) == (1, 0), "it was long ago that somebody was there"
    forgetting = Forgetting(
        pipeline.database, pipeline.handlers.fingerprint, waiting=-week, letters=week, commands=week
    )
    assert (await forgetting.once(), await forgetting.once()) == (1, 0)
    await says_nothing(pipeline)
    await pipeline.take(a_lead("ann@x.example", visitor="v9", recorded_at=at(0)), visit)
    assert pipeline.duplicates == [visit.event_id]


async def test_dead_letters_of_a_person_say_nothing_and_can_still_be_tried(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    whole = a_lead("ann@x.example", **ANN, **just_now())
    document = orjson.loads(whole.to_json())
    broken = orjson.dumps({**document, "event_id": str(an_id()), "channel": None, "email": "ann@x.example"})
    await put_dead(pipeline, [whole.to_json(), broken, broken[:-20]])
    found = (await http.post("/v1/people:find", json={"email": "ann@x.example"})).json()
    assert found["held"]["dead_letters"] == 3
    assert (await erase(http, email="ann@x.example"))["erased"]["dead_letters"] == 3
    await says_nothing(pipeline)
    rows = await pipeline.database.rows("SELECT status, value FROM pipeline.dead_letters ORDER BY id")
    assert [(row.status, row.value is None) for row in rows] == [("open", False), ("open", False), ("dropped", True)]
    stripped = LeadCaptured.model_validate_json(bytes(rows[0].value))
    assert (stripped.event_id, stripped.identities, stripped.personal) == (whole.event_id, whole.identities, None)
    assert names(await pipeline.take(stripped)) == ["LeadCreated", "PersonalDataErased", "ConsentChanged"]


async def test_a_dead_letter_that_comes_after_the_erasure_is_found_and_one_grown_old_too(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    late = a_lead("ann@x.example", **ANN, **just_now())
    await erase(http, email="ann@x.example")
    since = a_lead("ann@x.example", name="Ann Secret", recorded_at=datetime.now(UTC))
    await put_dead(pipeline, [late.to_json(), since.to_json()])
    month = timedelta(days=30)
    assert await Redaction(pipeline.database, REDACTED, keep=month).once() == 1
    left = await pipeline.database.rows("SELECT value FROM pipeline.dead_letters ORDER BY id")
    assert [b"Ann Secret" in bytes(row.value) for row in left] == [False, True]
    assert await Redaction(pipeline.database, REDACTED, keep=-month).once() == 1
    await says_nothing(pipeline)


async def test_dead_letters_grow_old_between_two_looks_of_one_process(pipeline: Pipeline) -> None:
    clock = FakeClock(datetime.now(UTC))
    month, day = timedelta(days=30), timedelta(days=1)
    pipeline.database.clock = clock
    looks = Redaction(pipeline.database, REDACTED, keep=month)
    await put_dead(pipeline, [a_lead("ann@x.example", name="Ann Secret").to_json()])
    assert (await looks.once(), await looks.once()) == (0, 0)
    clock.advance(month - day)
    await put_dead(pipeline, [a_lead("bob@x.example", name="Ann Secret").to_json()], first=1)
    assert await looks.once() == 0
    clock.advance(2 * day)
    assert (await looks.once(), await looks.once()) == (1, 0)
    clock.advance(month)
    assert await looks.once() == 1
    await says_nothing(pipeline)


async def test_what_a_command_said_is_known_for_a_while_and_its_key_does_nothing_twice_for_ever(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    (created,) = await pipeline.take(a_lead("ann@x.example"))
    said = {"reason": "no budget", "note": "Ann is ill"}

    async def put_aside() -> httpx.Response:
        return await http.post(f"/v1/leads/{created.lead_id}:archive", json=said, headers={"Idempotency-Key": "k"})

    assert (await put_aside()).status_code == (await put_aside()).status_code == 200
    words = orjson.dumps([":archive", str(created.lead_id), said], option=orjson.OPT_SORT_KEYS)
    row = await pipeline.one("SELECT fingerprint FROM pipeline.commands")
    assert row.fingerprint not in ("", blake2b(words, digest_size=16).hexdigest())
    week = timedelta(days=7)
    for keep, forgotten, status in ((week, 0, 200), (-week, 1, 409)):
        forgetting = Forgetting(
            pipeline.database, pipeline.handlers.fingerprint, waiting=week, letters=week, commands=keep
        )
        assert await forgetting.once() == forgotten
        assert (await put_aside()).status_code == status
    assert (await put_aside()).json()["type"].endswith("idempotency-key-old")
    assert names(await pipeline.published()).count("LeadArchived") == 1
