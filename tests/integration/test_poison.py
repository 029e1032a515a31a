"""Every service sets aside alone what it cannot process, bit for bit, whatever it is; its neighbours go on."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.metrics.app import create_app as create_metrics
from services.metrics.settings import MetricsSettings
from services.pipeline.app import create_app as create_pipeline
from services.pipeline.settings import PipelineSettings
from services.scoring.app import create_app as create_scoring
from services.scoring.settings import ScoringSettings
from shared.kit.consumer import Consumer
from shared.kit.database import Database
from shared.kit.positions import Tally
from tests.faults.rows.poison_corpus import MAKE, READERS, Poison, corpus, made_up
from tests.unit.capture.fakes import POLICY_FILE

GIVEN: dict[str, Any] = {
    "api_token": SecretStr("t" * 16),
    "identity_secret": SecretStr("s" * 16),
    "policy_file": POLICY_FILE,
}
CREATE: dict[str, Callable[[str], FastAPI]] = {
    "scoring": lambda url: create_scoring(
        ScoringSettings(database_url=SecretStr(url), dead_letter_budget=1_000, **GIVEN)
    ),
    "pipeline": lambda url: create_pipeline(
        PipelineSettings(database_url=SecretStr(url), dead_letter_budget=1_000, **GIVEN)
    ),
    "metrics": lambda url: create_metrics(
        MetricsSettings(database_url=SecretStr(url), dead_letter_budget=1_000, **GIVEN)
    ),
}
PLACES = [(service, topic) for topic, services in READERS.items() for service in services]


@dataclass(frozen=True)
class Raw:
    """A record as the Kafka client hands it out."""

    topic: str
    offset: int
    value: bytes | None
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp: int = 1_700_000_000_000
    partition: int = 0


@pytest.fixture(params=PLACES, ids=lambda place: f"{place[0]} reads {place[1]}")
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def service(place: tuple[str, str], migrated_database: Callable[..., str]) -> FastAPI:
    return CREATE[place[0]](migrated_database(place[0]))


async def between_neighbours(app: FastAPI, topic: str, poison: Sequence[Poison]) -> tuple[Tally, list[Any]]:
    """One batch in which each poison stands between two good records; how it ended, and the dead letters."""
    database: Database = app.state.database
    consumer: Consumer = app.state.consumer
    chance = random.Random(1)
    batch: list[Raw] = []
    for one in poison:
        batch.append(Raw(topic, len(batch), orjson.dumps(MAKE[topic](chance)), b"k", ()))
        batch.append(Raw(topic, len(batch), one.value, one.key, one.headers))
    async with database.transaction() as transaction:  # as if the partition had been seen before
        await transaction.execute(
            f"""INSERT INTO {database.schema}.consumer_offsets (topic, partition, first_offset, next_offset, facts, duplicates,
                    waiting, dead_lettered, record_timestamp, updated_at)
                VALUES (:topic, 0, 0, 0, 0, 0, 0, 0, 'epoch', 'epoch')""",
            {"topic": topic},
        )
    try:
        _, tallies = await consumer.processor.process(batch)
        letters = await database.rows(
            f"SELECT record_offset, key, value, detail FROM {database.schema}.dead_letters ORDER BY record_offset"
        )
    finally:
        await database.close()
    return tallies[topic, 0], letters


def check(poison: Sequence[Poison], tally: Tally, letters: Sequence[Any], service: str) -> None:
    bad = {2 * number + 1: one for number, one in enumerate(poison) if service in one.dead_in}
    found = {letter.record_offset: letter for letter in letters}
    assert {bad[offset].name for offset in bad.keys() - found.keys()} == set(), "processed, and should not have been"
    assert {poison[offset // 2].name for offset in found.keys() - bad.keys()} == set(), "set aside, and should not be"
    for offset, one in bad.items():
        letter = found[offset]
        kept = tuple(None if part is None else bytes(part) for part in (letter.key, letter.value))
        assert kept == (one.key, one.value), one.name
        assert "poison" not in letter.detail
        assert len(letter.detail) <= 2_000
    assert tally.dead_lettered == len(bad)


async def test_poison_is_set_aside_alone_and_bit_for_bit(place: tuple[str, str], service: FastAPI) -> None:
    name, topic = place
    poison = [one for one in corpus(random.Random(4)) if one.topic == topic]
    tally, letters = await between_neighbours(service, topic, poison)
    check(poison, tally, letters, name)


async def test_made_up_poison_is_set_aside_alone_and_bit_for_bit(place: tuple[str, str], service: FastAPI) -> None:
    name, topic = place
    poison = made_up(random.Random(), topic, 100)
    tally, letters = await between_neighbours(service, topic, poison)
    check(poison, tally, letters, name)
