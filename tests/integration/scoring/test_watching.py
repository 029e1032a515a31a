"""Models at work are watched on the real ledger, and what is seen is told to Prometheus."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.scoring import storage
from services.scoring.domain import Case
from services.scoring.domain.model import EVERY_UNIT, OPPORTUNITY, Artefact, checksum, write_artefact
from services.scoring.domain.model.assessor import Expert
from services.scoring.instruments import ModelInstruments
from services.scoring.watching import Watching
from tests.integration.scoring.conftest import Scoring
from tests.integration.scoring.test_models_at_work import TEXT
from tests.integration.scoring.test_registry import a_model, activate, do
from tests.unit.scoring.builders import NOON, an_id, at, captured, days, marked, opened
from tests.unit.scoring.model.test_assessor import MODEL

TWENTY_DAYS = write_artefact(Artefact(MODEL, OPPORTUNITY, 20))
PROFILE = {"features": {"channel": {"0": 50, "1": 50}}, "probability": {"1": 100}}


def watching(scoring: Scoring) -> Watching:
    instruments: ModelInstruments = scoring.models._instruments
    return Watching(scoring.database, scoring.models, instruments, interval_seconds=1, people=1_000)


async def test_drift_and_calibration_are_told_of_each_model(scoring: Scoring) -> None:
    fields: dict[str, Any] = {
        "artefact": TWENTY_DAYS,
        "checksum": checksum(TWENTY_DAYS),
        "horizon_days": 20,
        "data_to": at(days(2)),
        "profile": PROFILE,
    }
    assert await do(scoring, lambda tx: storage.add_model(tx, a_model("one", **fields)))
    await activate(scoring, "one")
    for number in range(10):
        came = days(5 + number / 10)
        await scoring.take(captured(number, ("c", number), came, channel="referral"))
        if number < 4:
            await scoring.take(opened(number, came + days(30 if number == 3 else 1.5), deal=f"deal {number}"))
    await scoring.take(captured("a test", "t", days(5), mark="test"), captured("other", "c11", days(6)))
    await scoring.take(marked("spam", 3, "other", days(7)))
    scoring.clock.advance(at(days(29)) - NOON)
    seen = (await watching(scoring).once())[OPPORTUNITY, EVERY_UNIT]
    # Each has looks at 0, 2, 7 and 21 days; two lie far enough back, and three leads were opportunities before the second.
    assert (len(seen.followed), sum(seen.followed)) == (17, 3)

    def told(name: str, **labels: str) -> float | None:
        labels = {"outcome": OPPORTUNITY, "business_unit": "every unit", **labels}
        return scoring.registry.get_sample_value(f"leadflow_scoring_model_{name}", labels)

    assert told("matured_leads") == 17
    assert told("observed_share") == 3 / 17
    assert told("expected_share") == sum(seen.probabilities) / 17
    assert told("drift_leads") == seen.recent_people == 10
    assert seen.recent > 17
    drift = told("drift", feature="channel")
    assert drift is not None
    assert drift > 0.25
    assert told("calibration_error") is not None
    await activate(scoring, None)
    assert await watching(scoring).once() == {}
    assert told("matured_leads") is None


async def test_a_share_of_the_people_is_enough(scoring: Scoring) -> None:
    fields: dict[str, Any] = {"artefact": TEXT, "checksum": checksum(TEXT), "data_to": at(0), "profile": PROFILE}
    assert await do(scoring, lambda tx: storage.add_model(tx, a_model("one", **fields)))
    await activate(scoring, "one")
    await scoring.take(*(captured(number, ("c", number), 5) for number in range(300)))
    scoring.clock.advance(timedelta(hours=1))
    some = Watching(scoring.database, scoring.models, scoring.models._instruments, interval_seconds=1, people=100)
    seen = (await some.once())[OPPORTUNITY, EVERY_UNIT]
    assert 50 < seen.recent < 150


@pytest.mark.logs_errors
async def test_somebody_the_model_fails_at_keeps_no_other_from_being_watched(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields: dict[str, Any] = {"artefact": TEXT, "checksum": checksum(TEXT), "data_to": at(0), "profile": PROFILE}
    assert await do(scoring, lambda tx: storage.add_model(tx, a_model("one", **fields)))
    await activate(scoring, "one")
    await scoring.take(*(captured(number, ("c", number), 5) for number in range(5)))
    scoring.clock.advance(timedelta(hours=1))
    cells = Expert.cells

    def fail_at_one(expert: Expert, case: Case) -> tuple[int, ...] | None:
        if any(one.lead_id == an_id(3) for one in case.touches):
            raise ValueError("not this one")
        return cells(expert, case)

    monkeypatch.setattr(Expert, "cells", fail_at_one)
    assert (await watching(scoring).once())[OPPORTUNITY, EVERY_UNIT].recent == 4
    assert scoring.registry.get_sample_value("leadflow_scoring_model_failures_total", {"outcome": OPPORTUNITY}) == 1
