"""How good the records are: each part against its naive recomputation."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import pytest

from services.metrics.domain.facts import Fact
from services.metrics.domain.quality import LACKING
from services.metrics.domain.quality_answers import delay
from services.metrics.domain.questions import Question
from services.metrics.storage import quality, sketches
from shared.kit.database import Snapshot
from tests.integration.metrics.brute_force import Lead, Naive, quantile
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_brute_force import EVER, NOW, near
from tests.integration.metrics.test_rebuilding import rebuilt
from tests.integration.metrics.test_sketches import alike
from tests.integration.metrics.test_stays import stays_of
from tests.unit.metrics.histories import history
from tests.unit.metrics.stories import Told, day

STALE = timedelta(days=60)


def told_of(random: Random) -> list[Fact]:
    """A random history in which captures tell by what leads can be reached, from where they came, and come late at times."""
    facts = []
    for fact in history(random, 30):
        if fact.event == "LeadCreated" or fact.data.get("kind") == "captured":
            more: dict[str, Any] = {"source": random.choice(("ads", "fair", None))}
            if random.random() < 0.9:
                more["contacts"] = random.choice(([], ["email"], ["phone"], ["email", "phone"]))
            known = {name: value for name, value in {**fact.data, **more}.items() if value is not None}
            late = timedelta(seconds=random.choice((0, 5, 59, 600, 90_000)))
            fact = fact._replace(data=known, recorded_at=fact.occurred_at + late)
        facts.append(fact)
    return facts


def captures(lead: Lead) -> list[Fact]:
    return [
        fact
        for fact in lead.story
        if (fact.event == "LeadCreated" and not fact.data.get("implied")) or fact.data.get("kind") == "captured"
    ]


def contacts(lead: Lead) -> set[str] | None:
    told = [fact.data["contacts"] for fact in lead.story if "contacts" in fact.data]
    return set().union(*told) if told else None


def source(lead: Lead) -> str | None:
    touches = [fact for fact in lead.story if fact.event in ("LeadCreated", "LeadTouched")]
    return next(
        (fact.data.get("source") for fact in touches if fact.data.get("channel") or fact.data.get("source")), None
    )


def counts(part: dict[str, Any]) -> tuple[Any, Any]:
    return part["numerator"], part["denominator"]


@pytest.mark.parametrize("seed", [51, 52])
async def test_each_part_equals_its_naive_recomputation(metrics: Metrics, seed: int) -> None:
    random = Random(seed)
    facts = told_of(random)
    shuffled = [*facts, *random.sample(facts, 20)]
    random.shuffle(shuffled)
    await metrics.fold_all(shuffled, 70)
    assert (await metrics.audit())["differences"] == []
    for as_of in (NOW, day(9)):
        for start, end in (EVER, (date(2026, 1, 2), date(2026, 1, 9))):
            naive = Naive(facts, as_of, start, end)
            leads = naive.leads_with(lambda lead: lead.created)
            known = [one for lead in leads if (one := contacts(lead)) is not None]
            found = await metrics.total(
                "data_quality", start=start.isoformat(), to=end.isoformat(), as_of=as_of.isoformat()
            )
            assert counts(found) == (sum(bool(contacts(lead) and source(lead)) for lead in leads), len(leads))
            assert counts(found["valid_phone"]) == (sum("phone" in one for one in known), len(known))
            assert counts(found["valid_email"]) == (sum("email" in one for one in known), len(known))
            assert counts(found["known_source"]) == (sum(source(lead) is not None for lead in leads), len(leads))
            again = [
                fact for lead in naive.leads for fact in captures(lead)[1:] if naive.inside(lead.unit, fact.occurred_at)
            ]
            assert counts(found["duplicate_rate"]) == (len(again), len(leads) + len(again))
            firsts = [captures(lead)[0] for lead in leads if captures(lead)]
            waits = [max(0.0, (one.recorded_at - one.occurred_at).total_seconds()) for one in firsts]
            waits = sorted(one if one > 60 else 0.0 for one in [*waits, *[0.0] * (len(leads) - len(firsts))])
            ordered = quantile(waits, 95)
            if "at_most" not in found["ingest_delay"] and waits and waits[int((len(waits) - 1) * 0.95)] > 60:
                assert found["ingest_delay"]["value"] == near(ordered)
            now = [(lead, stays_of(lead)[-1]) for lead in naive.leads if stays_of(lead)]
            open_now = [since for _, (_, since, until) in now if until is None]
            assert counts(found["stale"]) == (sum(since <= as_of - STALE for since in open_now), len(open_now))


def test_a_delay_among_those_told_at_once_is_known_to_be_short() -> None:
    assert delay(0, 0, None) == {"value": None, "n": 0, "late": 0}
    assert delay(100, 4, (600.0, 600.0))["at_most"] == 60
    assert delay(100, 10, (500.0, 600.0))["value"] == pytest.approx(505.0)


@pytest.mark.parametrize(("prompt", "late"), [(90, 10), (0, 1), (0, 7), (19, 1), (95, 5), (0, 41)])
async def test_a_delay_is_the_percentile_of_all_and_two_of_them_leave_the_database(
    metrics: Metrics, prompt: int, late: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    story, waits = Told(), [0.0] * prompt + [100.0 * one * one for one in range(1, late + 1)]
    for number in range(len(waits)):
        story.tell(f"l{number}", "LeadCreated", 1 + number / 1000, channel="phone")
    await metrics.fold([
        fact._replace(recorded_at=fact.occurred_at + timedelta(seconds=wait))
        for fact, wait in zip(story.facts, waits, strict=True)
    ])  # fmt: skip
    read: list[Any] = []
    rows = Snapshot.rows

    async def seen(snapshot: Snapshot, sql: str, **values: Any) -> Any:
        found = await rows(snapshot, sql, **values)
        read.extend(value for row in found for value in tuple(row))
        return found

    monkeypatch.setattr(Snapshot, "rows", seen)
    found = (await metrics.total("data_quality"))["ingest_delay"]
    assert read
    assert not any(isinstance(value, list | tuple) for value in read)
    assert (found["n"], found["late"]) == (len(waits), late)
    if (len(waits) - 1) * 0.95 >= prompt:
        assert found["value"] == near(quantile(sorted(waits), 95))
        monkeypatch.setattr(quality, "FEW", -1)
        of_sketches = (await metrics.total("data_quality"))["ingest_delay"]
        assert of_sketches["value"] == pytest.approx(found["value"], rel=0.0101)
    else:
        assert (found["value"], found["at_most"]) == (None, 60)


CUTS: tuple[dict[str, Any], ...] = (
    {},
    {"group_by": "channel"},
    {"group_by": "source"},
    {"group_by": "business_unit,owner"},
    {"group_by": "month,campaign", "start": "2026-01-02", "to": "2026-02-09"},
    {"source": "ads", "group_by": "week"},
    {"channel": "phone", "business_unit": "tehran"},
    {"group_by": "day", "calendar": "jalali"},
)


@pytest.mark.parametrize("seed", [53, 54])
async def test_sums_tell_what_entries_do_also_behind_the_newest_fact_and_by_sketches_within_one_per_cent(
    metrics: Metrics, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await metrics.fold_all(told_of(Random(seed)), 70)
    questions = [{**cut, "as_of": as_of.isoformat()} for cut in CUTS for as_of in (NOW, day(9))]
    of_sums = [await metrics.ask("data_quality", **asked) for asked in questions]
    with monkeypatch.context() as many:
        many.setattr(quality, "FEW", -1)
        of_sketches = [await metrics.ask("data_quality", **asked) for asked in questions]
    monkeypatch.setattr(Question, "fits_rollups", lambda *_: False)
    of_entries = [await metrics.ask("data_quality", **asked) for asked in questions]
    assert of_sums == of_entries
    alike(of_sketches, of_entries, 0.0101)
    assert of_sketches != of_entries


async def test_with_one_cut_at_most_no_entry_of_what_records_lack_is_read(metrics: Metrics) -> None:
    await metrics.fold_all(told_of(Random(55)), 70)
    one_cut = {"group_by": "channel", "as_of": NOW.isoformat()}
    several = {**one_cut, "group_by": "channel,source"}
    before = [await metrics.ask("data_quality", **asked) for asked in (one_cut, several)]
    async with metrics.database.transaction() as tx:
        await tx.execute(
            "DELETE FROM metrics.entries WHERE measure = ANY(:lacking)", {"lacking": [one.value for one in LACKING]}
        )
    after = [await metrics.ask("data_quality", **asked) for asked in (one_cut, several)]
    assert after[0] == before[0]
    assert after[1] != before[1]


async def test_leads_folded_by_a_version_that_did_not_count_what_they_lack_are_counted_by_a_rebuild(
    metrics: Metrics,
) -> None:
    await metrics.fold_all(told_of(Random(56)), 70)
    await metrics.database.run(sketches.merge)
    asked = {"group_by": "channel", "as_of": NOW.isoformat()}
    wanted = await metrics.ask("data_quality", **asked)
    async with metrics.database.transaction() as tx:
        for table in ("entries", "rollups"):
            await tx.execute(
                f"DELETE FROM metrics.{table} WHERE measure = ANY(:lacking)",
                {"lacking": [one.value for one in LACKING]},
            )
            await tx.execute(f"UPDATE metrics.{table} SET measure = 'lead_lacking' WHERE measure = 'lead_repeated'")
        await tx.execute("DELETE FROM metrics.sketches WHERE measure = 'lead_late'")
    assert await metrics.ask("data_quality", **asked) != wanted
    await rebuilt(metrics)
    assert await metrics.ask("data_quality", **asked) == wanted
    assert (await metrics.audit())["differences"] == []


async def test_what_is_learned_later_is_no_longer_lacking_and_groups_have_their_own(metrics: Metrics) -> None:
    story = Told().tell("a", "LeadCreated", 1, channel="phone", contacts=["phone"])
    story.tell("a", "LeadTouched", 5, kind="captured", channel="web_form", contacts=["email"])
    story.tell("b", "LeadCreated", 2, channel="web_form", source="ads", contacts=[])
    await metrics.fold(story.facts)
    before = await metrics.total("data_quality", as_of=day(3).isoformat())
    assert (before["valid_email"]["value"], before["valid_phone"]["value"]) == (0.0, 0.5)
    found = await metrics.ask("data_quality", group_by="channel")
    by_channel = {one["key"]["channel"]: one for one in found["groups"]}
    assert by_channel["phone"]["valid_email"]["value"] == 1.0
    assert by_channel["web_form"]["known_source"]["value"] == 1.0
    assert found["total"]["duplicate_rate"]["numerator"] == 1
    assert "stale" not in (await metrics.total("data_quality", group_by="month"))


async def test_what_an_audit_found_nowhere_is_told(metrics: Metrics) -> None:
    assert (await metrics.total("data_quality"))["unaccounted"]["value"] is None
    await metrics.database.run(
        lambda tx: tx.execute(
            """INSERT INTO metrics.audits (audit_id, "check", finished_at, checked, different)
            VALUES (gen_random_uuid(), 'log', :at, 1000, 2)""",
            {"at": datetime.fromisoformat("2026-06-01T00:00:00+00:00")},
        )
    )
    assert (await metrics.total("data_quality"))["unaccounted"]["value"] == 2
    assert (await metrics.total("data_quality", as_of="2026-05-01"))["unaccounted"]["value"] is None
