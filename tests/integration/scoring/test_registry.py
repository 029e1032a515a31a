"""The registry of models: one speaks for each unit or for all, every decision is kept and can be taken back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

from services.scoring import storage
from services.scoring.domain.model import EVERY_UNIT, OPPORTUNITY, Artefact, checksum, read_artefact, write_artefact
from services.scoring.domain.model.decisions import Decision
from shared.kit.database import Transaction
from tests.integration.scoring.conftest import Scoring
from tests.unit.scoring.builders import at
from tests.unit.scoring.model.test_additive import MODEL

TEXT = write_artefact(Artefact(MODEL, OPPORTUNITY, 90))


def a_model(version: str, business_unit: str = EVERY_UNIT, **fields: Any) -> dict[str, Any]:
    return {
        "version": version,
        "outcome": OPPORTUNITY,
        "business_unit": business_unit,
        "verdict": "the first",
        "artefact": TEXT,
        "checksum": checksum(TEXT),
        "format_version": 1,
        "horizon_days": 90,
        "data_from": at(0),
        "data_to": at(60),
        "examples": 500,
        "positives": 200,
        "features": [{"name": "channel"}],
        "metrics": {"auc": 0.8},
        "profile": {},
        "trained_by": "a test",
        **fields,
    }


async def do(scoring: Scoring, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
    return await scoring.database.run(work)


async def speaks_for(scoring: Scoring, business_unit: str) -> str | None:
    row = await do(scoring, lambda tx: storage.active_model(tx, OPPORTUNITY, business_unit))
    return None if row is None else str(row.version)


async def keep(scoring: Scoring, *versions: str, business_unit: str = EVERY_UNIT) -> None:
    for version in versions:
        assert await do(scoring, partial(storage.add_model, model=a_model(version, business_unit)))


async def activate(scoring: Scoring, version: str | None, business_unit: str = EVERY_UNIT) -> bool:
    return bool(
        await do(
            scoring,
            lambda tx: storage.let_speak(tx, version, OPPORTUNITY, business_unit, by="ada", reason="better"),
        )
    )


async def test_a_unit_without_a_model_of_its_own_has_that_of_all(scoring: Scoring) -> None:
    await keep(scoring, "whole")
    await keep(scoring, "own", business_unit="europe")
    assert await speaks_for(scoring, "europe") is None
    await activate(scoring, "whole")
    assert await speaks_for(scoring, "europe") == "whole"
    await activate(scoring, "own", "europe")
    assert (await speaks_for(scoring, "europe"), await speaks_for(scoring, "tehran")) == ("own", "whole")


async def test_a_kept_artefact_is_read_back_and_proven_by_its_checksum(scoring: Scoring) -> None:
    await keep(scoring, "one")
    row = await do(scoring, lambda tx: storage.model(tx, "one"))
    assert read_artefact(row.artefact, row.checksum) == Artefact(MODEL, OPPORTUNITY, 90)
    assert (row.status, row.metrics, row.features) == ("challenger", {"auc": 0.8}, [{"name": "channel"}])


async def test_the_same_model_is_kept_once(scoring: Scoring) -> None:
    await keep(scoring, "one")
    assert not await do(scoring, lambda tx: storage.add_model(tx, a_model("one", verdict="another")))


async def test_one_model_speaks_at_a_time_and_each_decision_is_kept(scoring: Scoring) -> None:
    await keep(scoring, "one", "two")
    assert [await activate(scoring, version) for version in ("one", "two", "two")] == [True, True, False]
    found = await do(scoring, storage.models)
    assert {row.version: row.status for row in found} == {"two": "active", "one": "retired"}
    [last, first] = await do(scoring, storage.activations)
    assert (last.version, last.replaced, last.by, first.version, first.replaced) == ("two", "one", "ada", "one", None)
    [speaking] = await do(scoring, storage.active_models)
    assert (speaking.version, speaking.checksum) == ("two", checksum(TEXT))
    kept = await do(scoring, lambda tx: storage.decisions(tx, OPPORTUNITY, EVERY_UNIT))
    assert kept == [Decision("activated", "one"), Decision("activated", "two")]
    assert await do(scoring, lambda tx: storage.decisions(tx, OPPORTUNITY, "europe")) == []


async def test_none_may_speak(scoring: Scoring) -> None:
    await keep(scoring, "one")
    await activate(scoring, "one")
    await activate(scoring, None)
    assert await speaks_for(scoring, "europe") is None


async def test_what_a_training_came_to_takes_the_place_of_the_one_before(scoring: Scoring) -> None:
    for words in ("too little", "still too little"):
        note = partial(storage.note_training, result="too_little", words=words, numbers={"opportunities": 3})
        await do(scoring, partial(note, outcome=OPPORTUNITY, business_unit=EVERY_UNIT))
    [row] = await do(scoring, storage.trainings)
    assert (row.result, row.words, row.numbers, row.version) == (
        "too_little",
        "still too little",
        {"opportunities": 3},
        None,
    )


async def test_challengers_that_never_spoke_are_forgotten_and_nothing_else(scoring: Scoring) -> None:
    await keep(scoring, "spoke", "speaks", "never", "last")
    await activate(scoring, "spoke")
    await activate(scoring, "speaks")
    await do(
        scoring,
        partial(
            storage.note_training,
            outcome=OPPORTUNITY,
            business_unit=EVERY_UNIT,
            result="challenger",
            words="not better",
            numbers={},
            version="last",
        ),
    )
    forget = partial(storage.forget_challengers, older_than=timedelta(days=90))
    scoring.clock.advance(timedelta(days=90))
    assert await do(scoring, forget) == 0
    scoring.clock.advance(timedelta(seconds=1))
    assert await do(scoring, forget) == 1
    assert {row.version for row in await do(scoring, storage.models)} == {"spoke", "speaks", "last"}
