"""Training in a process of its own: asked for, on a schedule, once at a time; whatever becomes of it, it is told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.scoring import storage
from services.scoring.instruments import TrainingInstruments
from services.scoring.settings import ScoringSettings
from services.scoring.training import PROGRAM, Training
from shared.contracts.policy import Policy
from tests.integration.scoring.conftest import Scoring
from tests.integration.scoring.test_api import client
from tests.integration.scoring.test_training import LEARNED, live
from tests.support.patience import eventually
from tests.unit.scoring.builders import captured, opened

__all__ = ["client"]


def a_program(says: str) -> Sequence[str]:
    """A learner that does this instead of learning."""
    return sys.executable, "-c", says


GOOD = a_program("print('[]')")


def training(
    scoring: Scoring, program: Sequence[str] = GOOD, policy: Policy = LEARNED, path: Path | None = None, **told: Any
) -> Training:
    known: dict[str, Any] = {"policy_file": path} if path else {}
    settings = ScoringSettings(
        database_url=SecretStr(scoring.url),
        api_token=SecretStr("a token only for tests"),
        identity_secret=SecretStr("a secret only for tests"),
        **known,
        **told,
    )
    return Training(scoring.database, settings, policy, TrainingInstruments(CollectorRegistry()), program)


async def ran(learns: Training) -> Any:
    assert await learns.once()
    [row] = await learns.found()
    return row


async def test_what_was_asked_is_done_by_the_real_learner(scoring: Scoring, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(LEARNED.model_dump(mode="json", exclude_unset=True)))
    await live(scoring, 30)
    learns = training(scoring, PROGRAM, path=path)
    await learns.ask(None, dry_run=False, by="ada")
    row = await ran(learns)
    assert (row.status, row.words) == ("finished", "2 too little"), row.words
    assert {one["found"] for one in row.results} == {"too_little"}
    assert "rules alone speak" in row.results[0]["words"]
    await learns.ask("asia", dry_run=True, by="ada")
    assert await learns.once()
    failed = [one for one in await learns.found() if one.status == "failed"]
    assert [one.words for one in failed] == ["There is no business unit 'asia'; there are default."]


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9"),
        ("raise MemoryError", "raise SCORING_TRAIN_MEMORY_MEGABYTES"),
        ("raise ValueError('ada@example.org')", "ended with code 1: ValueError"),
        ("import sys; sys.exit('Error: There is no such unit.')", "There is no such unit."),
        ("print('{')", "said nothing that can be read"),
    ],
)
@pytest.mark.logs_errors
async def test_a_learner_that_ends_badly_is_told_and_quotes_no_data(scoring: Scoring, says: str, words: str) -> None:
    learns = training(scoring, a_program(says))
    await learns.ask(None, dry_run=False, by="ada")
    row = await ran(learns)
    assert row.status == "failed"
    assert words in row.words
    assert "ada@" not in row.words


@pytest.mark.logs_errors
async def test_a_learner_that_comes_to_no_end_is_stopped(scoring: Scoring) -> None:
    learns = training(scoring, a_program("import time; time.sleep(600)"), train_most_minutes=0.01)
    await learns.ask(None, dry_run=False, by="ada")
    row = await ran(learns)
    assert (row.status, row.words) == (
        "failed",
        "the learner was stopped after 0.01 minutes: raise SCORING_TRAIN_MOST_MINUTES",
    )


async def test_asking_twice_before_it_began_is_one_training(scoring: Scoring) -> None:
    learns = training(scoring)
    asked = [(await learns.ask("default", dry_run=False, by=who)).id for who in ("ada", "ben")]
    other = await learns.ask("default", dry_run=True, by="ada")
    assert asked[0] == asked[1] != other.id
    assert [await learns.once() for _ in range(3)] == [True, True, False]


async def test_one_trains_at_a_time_and_one_that_was_lost_is_taken_over(scoring: Scoring) -> None:
    first, second = [await training(scoring).ask(None, dry_run=dry, by="ada") for dry in (False, True)]
    lost_after = timedelta(seconds=60)

    async def take() -> Any:
        return await scoring.database.run(lambda tx: storage.take_training(tx, lost_after))

    held = await take()
    assert held.id in {first.id, second.id}
    assert await take() is None
    scoring.clock.advance(timedelta(seconds=59))
    assert await scoring.database.run(lambda tx: storage.see_training(tx, held))
    scoring.clock.advance(timedelta(seconds=59))
    assert await take() is None
    scoring.clock.advance(timedelta(seconds=2))
    taken_over = await take()
    assert taken_over.id == held.id
    assert not await scoring.database.run(lambda tx: storage.see_training(tx, held))
    await scoring.database.run(lambda tx: storage.end_training(tx, held, "failed", "too late"))
    [row] = await scoring.database.run(lambda tx: storage.training_runs(tx, held.id))
    assert row.status == "running"


async def test_a_stop_ends_the_learner_and_leaves_its_training_to_be_begun_again(scoring: Scoring) -> None:
    learns = training(scoring, a_program("import time; time.sleep(600)"))
    await learns.ask(None, dry_run=False, by="ada")
    at_work = asyncio.create_task(learns.once())

    async def begun() -> bool:
        return bool((await learns.found())[0].status == "running")

    await eventually(begun)
    at_work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await at_work
    scoring.clock.advance(timedelta(seconds=61))
    assert (await ran(training(scoring))).status == "finished"


async def reached(scoring: Scoring, leads: int) -> None:
    await scoring.take(*(captured(number, ("c", number)) for number in range(leads)))
    await scoring.take(*(opened(number, deal=f"d{number}") for number in range(leads)))


async def test_the_schedule_asks_once_there_is_something_to_learn_and_then_when_it_is_time(scoring: Scoring) -> None:
    learns = training(scoring, train_every_hours=24)
    await reached(scoring, 54)
    assert not await learns.ask_on_schedule()
    await scoring.take(captured("last", "cl"), opened("last"))
    assert [await learns.ask_on_schedule(), await learns.ask_on_schedule()] == [True, False]
    assert (await ran(learns)).asked_by == "the schedule"
    scoring.clock.advance(timedelta(hours=23))
    assert not await learns.ask_on_schedule()
    scoring.clock.advance(timedelta(hours=2))
    assert await learns.ask_on_schedule()


@pytest.mark.logs_errors
async def test_after_a_failure_the_schedule_asks_again_an_hour_later(scoring: Scoring) -> None:
    learns = training(scoring, a_program("raise SystemExit(3)"))
    await reached(scoring, 55)
    assert await learns.ask_on_schedule()
    assert (await ran(learns)).status == "failed"
    assert not await learns.ask_on_schedule()
    scoring.clock.advance(timedelta(minutes=61))
    assert await learns.ask_on_schedule()


async def test_without_a_schedule_or_learning_nobody_asks(scoring: Scoring) -> None:
    await reached(scoring, 55)
    assert not await training(scoring, train_every_hours=0).ask_on_schedule()
    off = LEARNED.model_dump(mode="json", exclude_unset=True)
    off["defaults"]["scoring"]["model"]["enabled"] = False
    assert not await training(scoring, policy=Policy.model_validate(off)).ask_on_schedule()


async def test_a_training_is_asked_for_and_looked_at_over_http(scoring: Scoring, client: httpx.AsyncClient) -> None:
    learns = training(scoring)
    client._transport.app.state.training = learns  # type: ignore[attr-defined]
    asked = (await client.post("/v1/trainings", json={"business_unit": "europe", "by": "ada"})).json()
    assert (asked["status"], asked["business_unit"], asked["asked_by"]) == ("asked", "europe", "ada")
    await learns.once()
    shown = (await client.get(f"/v1/trainings/{asked['id']}")).json()
    assert (shown["status"], shown["words"], shown["results"]) == ("finished", "nothing to do", [])
    assert [one["id"] for one in (await client.get("/v1/trainings")).json()] == [asked["id"]]
    missing = await client.get(f"/v1/trainings/{uuid4()}")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:leadflow:problem:training-not-found")
