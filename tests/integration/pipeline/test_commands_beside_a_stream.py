"""A thousand commands at once on the same leads, beside a live stream, timers and merges, on a real log and a real database: nobody
locks anybody out, nothing that was answered is lost, and every no tells what the lead is now."""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from services.pipeline.app import create_app
from services.pipeline.domain.state import fold
from services.pipeline.settings import PipelineSettings
from services.pipeline.storage.rows import fact_of
from shared.contracts.capture_events import LeadCaptured
from shared.contracts.envelope import Event
from shared.contracts.scoring_events import LeadScored
from shared.contracts.topics import CAPTURE_LEADS, SCORING_SCORES
from shared.kit.database import Database
from tests.integration.pipeline.test_lists_and_versions import version_in
from tests.integration.pipeline.test_routing import ROUTING, with_sections
from tests.integration.pipeline.test_timers import FOLLOW_UP
from tests.support.locking import found_quickly, locked_out
from tests.support.patience import eventually
from tests.support.topics import create_topics
from tests.unit.pipeline.builders import SECRET, a_lead, a_score, an_interaction, at

TOKEN = "a token only for tests"
COMMANDS = int(os.environ.get("LEADFLOW_TEST_COMMANDS", "1000"))
"""A thousand take half a minute, and minutes on a starved machine, where fewer say as much: `LEADFLOW_TEST_COMMANDS=200`."""
LEADS = max(10, COMMANDS // 40)
OF_EACH = COMMANDS // LEADS


class Answered(NamedTuple):
    """A command and what came of it. `name` stands in the fact that it records."""

    lead: int
    kind: str
    name: str
    seen: str | None
    answer: httpx.Response


@asynccontextmanager
async def running(url: str, kafka: str, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    file = folder / "policy.yaml"
    file.write_text(with_sections(routing=ROUTING, follow_up=FOLLOW_UP).model_dump_json(exclude_none=True))
    settings = PipelineSettings(
        database_url=SecretStr(url),
        kafka_bootstrap=kafka,
        api_token=SecretStr(TOKEN),
        identity_secret=SecretStr(SECRET.decode()),
        policy_file=file,
        group_instance_id="pipeline-test",
    )
    app = create_app(settings)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport,
            base_url="http://pipeline",
            headers={"Authorization": f"Bearer {TOKEN}"},
            follow_redirects=True,
        ) as http,
    ):
        yield http


class Stream:
    """What goes on arriving of the same people: visits, scores, and captures by which pairs of them turn out to be one."""

    def __init__(self, producer: AIOKafkaProducer, people: Sequence[LeadCaptured]) -> None:
        self._producer = producer
        self._people = people
        self.sent = 0

    async def send(self, event: Event) -> None:
        topic = SCORING_SCORES if isinstance(event, LeadScored) else CAPTURE_LEADS
        await self._producer.send(topic.name, event.to_json(), key=str(event.lead_id).encode())
        self.sent += 1

    async def run(self, enough: asyncio.Event) -> None:
        """Until it is enough."""
        for turn in range(10_000):
            for number, person in enumerate(self._people):
                await self.send(an_interaction(address(number), occurred_at=at(10 + turn)))
                await self.send(a_score(person.lead_id, 30 + (turn * 7 + number) % 60, occurred_at=at(10 + turn)))
            if turn < 3:
                await self.send(
                    a_lead(address(2 * turn), identities=both(self._people, 2 * turn), occurred_at=at(10 + turn))
                )
            if enough.is_set():
                break
            await asyncio.sleep(0.5)
        await self._producer.flush()


def address(number: int) -> str:
    """Whose it is."""
    return f"{number}@x.example"


def both(people: Sequence[LeadCaptured], number: int) -> Any:
    """What recognises two of them."""
    return (*people[number].identities, *people[number + 1].identities)


async def told(http: httpx.AsyncClient, lead: int, lead_id: UUID, place: int) -> Answered:
    """One of the commands on a lead, sent again where there was no room for it. Every fourth stands on the version that it saw."""
    path, name, seen = f"/v1/leads/{lead_id}", f"{lead}-{place}", None
    headers = {"Idempotency-Key": name}
    if place % 4 == 0:
        headers["If-Match"] = (await patient(http, "GET", path)).headers["ETag"]
        seen = version_in(headers["If-Match"])
    kind: str
    said: dict[str, Any]
    kind, said = (
        (":assign", {"owner": f"owner {name}"}),
        (":record-contact", {"kind": f"call {name}", "made": True}),
        (":archive", {"reason": "no budget"}),
        (":reopen", {}),
        (":assign", {"owner": f"owner {name}"}),
    )[place % 5]
    if place % 10 == 9:  # told late: of then somebody else has it by now, mostly
        said |= {"occurred_at": at(6).isoformat()}
    return Answered(lead, kind, name, seen, await patient(http, "POST", path + kind, json=said, headers=headers))


async def patient(http: httpx.AsyncClient, method: str, path: str, **more: Any) -> httpx.Response:
    """An answer that is not `come back later`."""
    for _ in range(100):
        answer = await http.request(method, path, **more)
        if answer.status_code != 503:
            break
        await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
    return answer


@pytest.mark.timeout(900)
async def test_many_commands_at_once_beside_a_live_stream_lock_nobody_out_and_lose_nothing(
    migrated_database: Callable[..., str], fresh_kafka: str, tmp_path: Path
) -> None:
    await create_topics(fresh_kafka)
    url = migrated_database("pipeline")
    found_quickly(url)
    people = [a_lead(address(number), occurred_at=at(number / 100)) for number in range(LEADS)]
    producer = AIOKafkaProducer(bootstrap_servers=fresh_kafka, enable_idempotence=True)
    await producer.start()
    database = Database(url, schema="pipeline")
    stream = Stream(producer, people)
    for person in people:
        await stream.send(person)
        await stream.send(a_score(person.lead_id, 70, occurred_at=at(5)))

    async def taken() -> bool:
        (row,) = await database.rows("SELECT coalesce(sum(next_offset), 0) AS n FROM pipeline.consumer_offsets")
        return bool(row.n >= stream.sent)

    async with running(url, fresh_kafka, tmp_path) as http:
        await eventually(taken, within_seconds=300)
        enough = asyncio.Event()
        flowing = asyncio.create_task(stream.run(enough))
        commands = [
            told(http, number, people[number].lead_id, place) for place in range(OF_EACH) for number in range(LEADS)
        ]
        answered = await asyncio.gather(*commands)
        enough.set()
        await flowing
        await eventually(taken, within_seconds=300)
    await producer.stop()
    assert len(answered) == COMMANDS
    every_no_tells_what_the_lead_is_now(answered)
    one_decision_stands_on_one_version(answered)
    await what_was_answered_is_recorded_once_and_nothing_else(database, answered)
    await stories_have_no_gaps_and_leads_are_what_their_stories_say(database)
    (row,) = await database.rows(
        "SELECT (SELECT count(*) FROM pipeline.dead_letters) AS dead, (SELECT count(*) FROM pipeline.waiting) AS waiting"
    )
    assert (row.dead, row.waiting) == (0, 0)
    assert await locked_out(url, database) == 0


def every_no_tells_what_the_lead_is_now(answered: Sequence[Answered]) -> None:
    """200, or 409 with the state, or 412 with the version that holds."""
    counted = Counter(one.answer.status_code for one in answered)
    assert counted.keys() <= {200, 409, 412}, counted
    assert counted[200] > COMMANDS / 4
    assert counted[409] > 0
    assert counted[412] > 0
    codes: set[str] = set()
    for one in answered:
        said = one.answer.json()
        if one.answer.status_code == 409:
            assert said["state"], said
            codes.add(said["type"].rpartition(":")[2])
        elif one.answer.status_code == 412:
            assert said["current"]["etag"] == one.answer.headers["ETag"] != one.seen, said
            assert said["current"]["status"], said
    assert codes == {"illegal-transition", "out-of-order"}


def one_decision_stands_on_one_version(answered: Sequence[Answered]) -> None:
    """Of all that were decided on what was seen at one version, one was carried out."""
    on_version = Counter(one.seen for one in answered if one.seen is not None and one.answer.status_code == 200)
    assert max(on_version.values(), default=0) <= 1


async def what_was_answered_is_recorded_once_and_nothing_else(database: Database, answered: Sequence[Answered]) -> None:
    """The facts that commands name are those of the commands that were answered with success."""
    done: dict[str, list[str]] = defaultdict(list)
    for one in answered:
        if one.answer.status_code == 200:
            done[one.kind].append(one.name)
    rows = await database.rows("SELECT event, data FROM pipeline.history")
    owners = [row.data["owner"] for row in rows if row.event == "LeadAssigned" and not row.data.get("automatic")]
    calls = [row.data["kind"] for row in rows if row.event == "ContactAttempted"]
    counted = Counter(row.event for row in rows)
    assert sorted(owners) == sorted(f"owner {name}" for name in done[":assign"])
    assert sorted(calls) == sorted(f"call {name}" for name in done[":record-contact"])
    assert counted["LeadArchived"] == len(done[":archive"])
    assert counted["LeadReopened"] == len(done[":reopen"])


async def stories_have_no_gaps_and_leads_are_what_their_stories_say(database: Database) -> None:
    """The rows of leads say what a fold over all that was recorded says."""
    rows = await database.rows("SELECT * FROM pipeline.leads")
    facts = defaultdict(list)
    roots = {row.lead_id: row.root_id for row in rows}
    versions: dict[UUID, list[int]] = defaultdict(list)
    for row in await database.rows("SELECT * FROM pipeline.history ORDER BY lead_id, version"):
        facts[roots[row.lead_id]].append(fact_of(row))
        versions[row.lead_id].append(row.version)
    assert all(story == list(range(1, len(story) + 1)) for story in versions.values())
    for row in rows:
        assert row.version == len(versions[row.lead_id])
        if row.root_id == row.lead_id:
            state = fold(facts[row.lead_id])
            assert (row.status, row.owner, row.score) == (
                state.status,
                state.assigned.owner if state.assigned is not None else None,
                state.graded.score if state.graded is not None else None,
            )
    assert any(row.root_id != row.lead_id for row in rows)
