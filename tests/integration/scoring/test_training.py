"""Learning from scoring's own database: what happened there goes in through its handlers, a model comes out or a reason."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from services.scoring import storage
from services.scoring.domain.model import CUSTOMER, EVERY_UNIT, OPPORTUNITY, FeatureReader, read_artefact
from services.scoring.learning.boosting import Recipe
from services.scoring.learning.runs import HELD, Order, Result, for_every_unit, train_models
from shared.contracts.envelope import Event
from shared.contracts.policy import Policy
from tests.integration.scoring.conftest import Scoring
from tests.unit.scoring.builders import (
    POLICY,
    an_id,
    archived,
    at,
    captured,
    days,
    interacted,
    marked,
    merged,
    opened,
    won,
)

QUICK = Recipe(rate=0.2, most_rounds=30, models=1)
UNTIL = at(days(400))


def with_learning(**rules: Any) -> Policy:
    learning: dict[str, Any] = {
        "least_to_learn": 40,
        "least_to_judge": 15,
        "customer_horizon_days": 90,
        "most_calibration_error": 0.25,
    }
    defaults = POLICY.defaults.model_dump(mode="json", exclude_unset=True)
    defaults["scoring"]["model"] = learning | rules
    return Policy.model_validate({"version": "test-1", "defaults": defaults})


LEARNED = with_learning()


def a_life(number: int, chance: random.Random, unit: str = "default") -> Iterator[Event]:
    """A lead of some day, likelier to become an opportunity by referral and with visits. What the sales desk writes down a
    minute before it does tells all."""
    begun = days(number % 250) + chance.random() * 600
    channel = chance.choice(["referral", "web_form", "event"])
    visits = chance.choice([0, 0, 1, 4])
    known = {"business_unit": unit}
    yield captured(number, ("c", number), begun, channel=channel, attributes={"size": chance.choice([5, 50])}, **known)
    for visit in range(visits):
        yield interacted(number, ("v", number, visit), begun + days(0.1 * visit), **known)
    if chance.random() < {"referral": 0.7, "web_form": 0.35, "event": 0.1}[channel] + 0.05 * visits:
        when = begun + days(chance.uniform(1, 60))
        yield captured(number, ("told", number), when, attributes={"stage": "will buy"}, **known)
        yield opened(number, when + 1, f"deal {number}", **known)
        if chance.random() < 0.4:
            yield won(number, when + days(20), f"deal {number}", **known)


async def live(scoring: Scoring, people: int, *, unit: str = "default", first: int = 0) -> None:
    chance = random.Random(first)
    events = [event for number in range(first, first + people) for event in a_life(number, chance, unit)]
    await take(scoring, events)


async def take(scoring: Scoring, events: Sequence[Event]) -> None:
    for start in range(0, len(events), 500):
        await scoring.take(*events[start : start + 500])


async def train(scoring: Scoring, policy: Policy = LEARNED, *units: str, **order: Any) -> dict[tuple[str, str], Result]:
    asked = Order(units, UNTIL, "ada", recipe=QUICK)._replace(**order)
    return {(one.outcome, one.business_unit): one for one in await train_models(scoring.database, policy, asked)}


WHOLE = (OPPORTUNITY, EVERY_UNIT)


async def test_a_model_is_learned_activated_and_kept_with_everything_about_it(scoring: Scoring) -> None:
    await live(scoring, 600)
    found = (await train(scoring))[WHOLE]
    assert (found.found, found.metrics is not None) == ("activated", True), found.words
    row = await scoring.database.run(lambda tx: storage.active_model(tx, OPPORTUNITY, "default"))
    assert row is not None
    assert (row.version, row.status, row.trained_by, row.horizon_days) == (found.version, "active", "ada", 90)
    assert row.metrics["auc"] > 0.65
    assert row.metrics["log_loss"] < row.metrics["beside"]["log_loss"]
    assert {"channel"} <= {one["name"] for one in row.features} == set(row.profile["features"])
    model = read_artefact(row.artefact, row.checksum).model
    touches = [one for one in await _ledger(scoring, 3) if one.kind is None]
    said = FeatureReader([table.name for table in model.tables]).read("default", touches, UNTIL)
    assert 0 < model.judge(said).probability < 1
    [decision] = await scoring.database.run(lambda tx: storage.activations(tx, found.version))
    assert (decision.by, decision.replaced, decision.reason) == ("ada", None, row.verdict)


async def _ledger(scoring: Scoring, number: int) -> Sequence[Any]:
    found = await scoring.database.run(lambda tx: storage.ledgers(tx, [an_id(number)]))
    return found[an_id(number)]


async def test_what_is_written_down_when_it_is_decided_is_not_seen_before(scoring: Scoring) -> None:
    """Each lead that becomes an opportunity gets a stage a minute before: at no moment it was known of."""
    await live(scoring, 600)
    found = (await train(scoring))[WHOLE]
    row = await scoring.database.run(lambda tx: storage.model(tx, found.version or ""))
    assert row is not None
    assert "attributes.stage" not in [one["name"] for one in row.features]
    assert row.metrics["auc"] < 0.9


async def test_imported_history_teaches_only_where_asked_for_and_what_was_filled_in_later_is_found_out(
    scoring: Scoring,
) -> None:
    """An export has the stages of the day it was made, and says they were there from the first."""
    chance = random.Random(1)
    events: list[Event] = []
    for number in range(600):
        begun = days(number % 250)
        source = chance.choice(["ads", "fair"])
        bought = chance.random() < (0.6 if source == "fair" else 0.2)
        attributes = {"stage": "bought" if bought else "no", "size": number % 7}
        late: dict[str, Any] = {"recorded_at": at(days(390)), "historical": True}
        events.append(captured(number, ("c", number), begun, source=source, attributes=attributes, **late))
        if bought:
            events.append(opened(number, begun + days(3), **late))
    await take(scoring, events)
    found = (await train(scoring, with_learning(imported_history=True)))[WHOLE]
    assert found.numbers["suspicious"].keys() == {"attributes.stage"}
    assert found.numbers["suspicious"]["attributes.stage"] > 0.95
    row = await scoring.database.run(lambda tx: storage.model(tx, found.version or ""))
    assert row is not None
    assert "left out as suspicious: attributes.stage" in row.verdict
    assert "source" in [one["name"] for one in row.features]
    without = (await train(scoring))[WHOLE]
    assert (without.found, without.numbers["imported_left_out"]) == ("too_little", 600)


async def test_below_the_gate_rules_alone_speak_and_it_is_kept_why(scoring: Scoring) -> None:
    await live(scoring, 60)
    found = await train(scoring)
    assert {one.found for one in found.values()} == {"too_little"}
    kept = await scoring.database.run(storage.trainings)
    assert [(row.outcome, row.result) for row in kept] == [(CUSTOMER, "too_little"), (OPPORTUNITY, "too_little")]
    assert "where 40 each are needed" in kept[1].words
    assert await scoring.database.run(storage.models) == []


async def test_learning_again_from_the_same_changes_nothing(scoring: Scoring) -> None:
    await live(scoring, 600)
    first = (await train(scoring))[WHOLE]
    decided = await scoring.database.run(storage.activations)
    again = (await train(scoring))[WHOLE]
    assert (again.found, again.version) == ("unchanged", first.version)
    assert await scoring.database.run(storage.activations) == decided


async def decide(scoring: Scoring, version: str | None, *, back: bool = False) -> None:
    kind: Any = "rolled_back" if back else "activated"
    await scoring.database.run(
        lambda tx: storage.let_speak(tx, version, OPPORTUNITY, EVERY_UNIT, by="ben", reason="so be it", kind=kind)
    )


@pytest.mark.parametrize("back", [True, False])
async def test_what_somebody_took_back_is_not_undone_by_a_training(scoring: Scoring, back: bool) -> None:
    await live(scoring, 600)
    first = (await train(scoring))[WHOLE]
    await decide(scoring, None, back=back)
    again = (await train(scoring, seed=1))[WHOLE]
    assert again.version != first.version
    assert (again.found, HELD in again.words) == ("challenger", True)
    assert await scoring.database.run(storage.active_models) == []
    await decide(scoring, first.version)
    other = (await train(scoring, seed=2))[WHOLE]
    assert HELD not in other.words


async def test_a_model_that_only_waited_speaks_once_it_may(scoring: Scoring) -> None:
    await live(scoring, 600)
    waited = (await train(scoring, with_learning(activate="by_hand")))[WHOLE]
    found = (await train(scoring))[WHOLE]
    assert (waited.found, found.found, found.version) == ("challenger", "activated", waited.version)


async def test_a_dry_run_keeps_nothing(scoring: Scoring) -> None:
    await live(scoring, 600)
    found = (await train(scoring, dry_run=True))[WHOLE]
    assert found.metrics is not None
    assert await scoring.database.run(storage.models) == []
    assert await scoring.database.run(storage.trainings) == []


async def test_by_hand_the_better_model_waits(scoring: Scoring) -> None:
    await live(scoring, 600)
    found = (await train(scoring, with_learning(activate="by_hand")))[WHOLE]
    assert found.found == "challenger"
    assert "waits to be activated by hand" in found.words
    assert await scoring.database.run(storage.active_models) == []


async def test_a_unit_whose_leads_are_like_all_others_keeps_the_model_of_the_whole(scoring: Scoring) -> None:
    await live(scoring, 400, unit="europe")
    await live(scoring, 400, unit="tehran", first=1_000)
    found = await train(scoring)
    assert {unit for _, unit in found} == {EVERY_UNIT, "europe", "tehran"}
    assert found[WHOLE].found == "activated", found[WHOLE].words
    assert found[OPPORTUNITY, "europe"].found in ("challenger", "activated")
    assert f"{found[WHOLE].version}, which speaks now" in found[OPPORTUNITY, "europe"].words
    with pytest.raises(ValueError, match="no business unit 'asia'; there are europe, tehran"):
        await train(scoring, LEARNED, "asia")


async def test_leads_of_a_unit_that_learning_is_turned_off_for_teach_nobody(scoring: Scoring) -> None:
    await live(scoring, 20, unit="europe")
    await live(scoring, 20, unit="tehran", first=1_000)
    own = {"business_units": {"europe": {"scoring": {"model": {"enabled": False}}}}}
    policy = Policy.model_validate(LEARNED.model_dump(mode="json", exclude_unset=True) | own)
    found = await train(scoring, policy)
    assert (found[WHOLE].numbers["people"], found[WHOLE].numbers["turned_off"]) == (40, 20)
    assert found[OPPORTUNITY, "europe"].found == "off"
    taught = found[WHOLE].numbers
    assert sum(sum(taught[part].values()) for part in ("to_learn", "to_judge")) <= 20


def test_what_one_unit_leaves_out_no_model_that_may_speak_for_it_looks_at() -> None:
    units = {
        "europe": {"scoring": {"model": {"leave_out": ["country"]}}},
        "tehran": {"scoring": {"model": {"leave_out": ["source"], "enabled": False}}},
    }
    defaults = {"scoring": {"model": {"leave_out": ["language"]}}}
    policy = Policy.model_validate({"version": "1", "defaults": defaults, "business_units": units})
    assert for_every_unit(policy).leave_out == ("country", "language")


async def test_tests_spam_and_censored_leads_teach_nothing(scoring: Scoring) -> None:
    await take(
        scoring,
        [
            captured("real", "c1"),
            captured("spam", "c2", mark="spam"),
            captured("test", "c3"),
            marked("test", 4, "test"),
            captured("young", "c4", days(395)),
            captured("aside", "c5"),
            archived("aside", 1),
            captured("merged", "c6"),
            merged("merged", "real", 9, days(1)),
        ],
    )
    found = (await train(scoring))[WHOLE]
    assert (found.numbers["people"], found.numbers["held_out"]) == (4 + 1, 2)
    assert found.numbers["to_learn"]["not_followed"] + found.numbers["to_judge"]["not_followed"] == 2


async def test_a_large_database_is_learned_from_by_a_fair_share(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.scoring.learning.gathering.MOST_PEOPLE", 100)
    await live(scoring, 400)
    found = (await train(scoring))[WHOLE]
    assert found.numbers["one_in"] == 4
    assert 60 < found.numbers["people"] < 140


async def test_a_corrupt_champion_does_not_stand_in_the_way(scoring: Scoring) -> None:
    await live(scoring, 600)
    first = (await train(scoring))[WHOLE]
    await scoring.database.run(
        lambda tx: tx.execute("UPDATE scoring.models SET artefact = replace(artefact, '1', '2')")
    )
    await live(scoring, 150, first=5_000)
    second = (await train(scoring, until=UNTIL + timedelta(days=1)))[WHOLE]
    assert second.version != first.version
    assert second.found == "activated", second.words
