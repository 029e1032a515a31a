"""Sums of open deals tell what the deals one by one tell, are put right where they are not, and are not believed until then."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from services.metrics.domain.facts import Fact
from services.metrics.domain.questions import Question
from services.metrics.storage import expecting, open_deals
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_expecting import POLICY
from tests.integration.metrics.test_rebuilding import rebuilt
from tests.unit.metrics.stories import Told, day, lead_id

NOW = day(60)
CUTS: tuple[dict[str, Any], ...] = (
    {},
    {"group_by": "channel"},
    {"group_by": "stage"},
    {"group_by": "reason"},
    {"group_by": "business_unit,owner"},
    {"group_by": "team,month"},
    {"group_by": "day", "calendar": "jalali"},
    {"group_by": "stage,week", "business_unit": "tehran"},
    {"channel": "phone", "group_by": "quarter"},
    {"channel": ["phone", "web_form"], "business_unit": ["tehran", "default"]},
    {"stage": ["first", "third"], "group_by": "month"},
    {"stage": "second"},
    {"start": "2026-02-10", "to": "2026-03-20", "group_by": "source"},
    {"start": "2026-03-02"},
    {"to": "2026-03-02", "group_by": "stage"},
    {"to": "2026-01-20", "group_by": "owner,day"},
    {"start": "2026-01-02", "group_by": "channel,month", "currency": "EUR"},
    {"start": "2026-01-02", "group_by": "product", "currency": "EUR", "rates": "as_of"},
    {"start": "2026-01-10T09:00:00+00:00", "group_by": "channel"},
    {"group_by": "channel,stage"},
)
DAMAGE = {
    "sums are off": "UPDATE metrics.open_deals SET count = count + 1, cubes = cubes - 1",
    "sums are gone": "TRUNCATE metrics.open_deals",
    "sums are of nobody": """
        INSERT INTO metrics.open_deals VALUES ('', DATE '2026-05-05', 'tehran', '', '', 'first', 'IRR', 1, 5, 25, 125, 0, 5)""",
}


@pytest.fixture
async def metrics(migrated_database: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Metrics]:
    monkeypatch.setattr(expecting, "FEW", -1)
    found = Metrics(migrated_database("metrics"), policy=POLICY)
    rates = [
        {"currency": one, "into": "EUR", "day": f"2026-0{month}-01", "rate": f"{worth}{month}"}
        for one, worth in (("USD", "0.9"), ("IRR", "0.00002"))
        for month in (1, 2, 3)
    ]
    (await found.client.post("/v1/rates", json={"rows": rates})).raise_for_status()
    yield found
    await found.close()


def deals(seed: int, many: int = 90) -> list[Fact]:
    """Deals that move, change, are won and lost, in two units; some are expected on the very day on which it is asked."""
    random, told = Random(seed), Told()
    for number in range(many):
        name, at = f"deal {seed} {number}", random.random() * 20
        told.business_unit = ("default", "tehran")[number % 2]
        told.tell(
            name, "LeadCreated", at, owner=random.choice((None, "ann", "bob")),
            channel=random.choice((None, "phone", "web_form")), source=random.choice((None, "fair")),
        )  # fmt: skip
        money = [
            {"amount": f"{random.randrange(-90, 900)}.{random.randrange(100):02}1", "currency": random.choice(("EUR", "USD", "IRR"))},
            {"amount": f"{10**14 + number}.123456"}, {},
        ]  # fmt: skip
        close = random.choice((None, 59.2, 60.01, 60.3, 61 + random.random() * 60, 25 + random.random() * 30))
        told.tell(
            name, "OpportunityOpened", at + 0.1, opportunity_id=name, stage=random.choice(("first", "second", "odd")),
            **random.choice(money), **({} if close is None else {"expected_close": day(close).isoformat()}),
            **random.choice(({}, {"pipeline": "renewals"})),
        )  # fmt: skip
        if random.random() < 0.4:
            told.tell(name, "StageChanged", at + 1, opportunity_id=name, stage="third")
        if random.random() < 0.3:
            ends = random.choice(
                (
                    ("OpportunityWon", {"amount": f"{number + 1}.5", "currency": "USD"}),
                    ("OpportunityLost", {"reason": "price"}),
                )
            )
            told.tell(name, ends[0], at + 2 + random.random() * 30, opportunity_id=name, **ends[1])
        if random.random() < 0.2:
            told.tell(name, "AmountChanged", at + 20, opportunity_id=name, amount=f"{number}.25", currency="EUR")
        if random.random() < 0.2:
            told.tell(name, "OpportunityAssigned", at + 30, opportunity_id=name, owner="bob")
        if random.random() < 0.15:
            into = str(lead_id(f"deal {seed} {random.randrange(number % 2, many, 2)}"))
            told.tell(name, "LeadMerged", at + 35, into_lead_id=into, matched_on="email")
    random.shuffle(told.facts)
    return told.facts


async def test_sums_and_entries_answer_alike(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    await metrics.fold_all(deals(1))
    assert (await metrics.audit())["differences"] == []
    moments: tuple[datetime, ...] = (NOW, day(61), day(20.3), day(9))
    questions = [{**cut, "as_of": at.isoformat()} for cut in CUTS for at in moments]
    asked: list[bool] = []

    async def agree(*args: Any) -> bool:
        asked.append(await agrees(*args))
        return asked[-1]

    agrees = open_deals.agree
    monkeypatch.setattr(open_deals, "agree", agree)
    from_sums = [await metrics.ask("weighted_forecast", **one) for one in questions]
    assert asked == [True] * (len(CUTS) - 2) * len(moments)
    monkeypatch.setattr(Question, "fits_rollups", lambda *_: False)
    for question, found in zip(questions, from_sums, strict=True):
        assert found == await metrics.ask("weighted_forecast", **question), question
    assert len(asked) == (len(CUTS) - 2) * len(moments)
    whole = from_sums[0]["total"]
    assert all(part["overdue"] > 0 for part in whole["by_currency"].values())
    assert from_sums[CUTS.index({"start": "2026-03-02"}) * len(moments)]["total"]["left_out"]["overdue"] > 0


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
async def test_what_is_wrong_is_found_and_put_right_and_not_told_meanwhile(metrics: Metrics, damage: str) -> None:
    await metrics.fold_all(deals(2))
    asked = {"group_by": "owner", "as_of": NOW.isoformat()}
    right = await metrics.ask("weighted_forecast", **asked)
    async with metrics.database.transaction() as tx:
        await tx.execute(damage)
    assert await metrics.ask("weighted_forecast", **asked) == right
    found = await metrics.audit()
    assert {one["table"] for one in found["differences"]} == {"open_deals"}
    assert json.dumps(found)
    assert (await rebuilt(metrics, POLICY)).sums_changed == found["different"] > 0
    assert (await metrics.audit())["differences"] == []
    assert await metrics.ask("weighted_forecast", **asked) == right


async def test_sums_of_before_are_filled_to_what_batches_would_have_made(metrics: Metrics) -> None:
    await metrics.fold_all(deals(3))
    kept = "SELECT * FROM metrics.open_deals WHERE count <> 0 ORDER BY 1, 2, 3, 4, 5, 6, 7"
    made = await metrics.database.rows(kept)
    async with metrics.database.transaction() as tx:
        await tx.execute("TRUNCATE metrics.open_deals")
    await rebuilt(metrics, POLICY)
    assert await metrics.database.rows(kept) == made
    assert {row.dimension for row in made} == {"", "channel", "source", "owner"}


async def test_powers_are_exact_to_the_last_digit(metrics: Metrics) -> None:
    told = Told()
    for number in range(3):
        told.tell(f"{number}", "LeadCreated", 1).tell(
            f"{number}", "OpportunityOpened", 2, opportunity_id=f"{number}", stage="first", currency="EUR",
            amount=f"{10**14 + number}.123456",
        )  # fmt: skip
    await metrics.fold_all(told.facts)
    amounts = [(10**14 + number) * 10**6 + 123456 for number in range(3)]
    (row,) = await metrics.database.rows("SELECT *, count AS n FROM metrics.open_deals WHERE dimension = ''")
    assert (row.n, row.expected_day) == (3, date.min)
    scaled = [
        int(Decimal(part).scaleb(6 * power)) for power, part in ((1, row.total), (2, row.squares), (3, row.cubes))
    ]
    assert scaled[0] == sum(amounts)
    assert f"{row.cubes:f}".replace(".", "") == str(sum(one**3 for one in amounts))
    assert f"{row.squares:f}".replace(".", "") == str(sum(one**2 for one in amounts))


async def test_what_should_have_closed_today_is_known_to_the_moment(metrics: Metrics) -> None:
    told = Told()
    told.tell("a", "LeadCreated", 1)
    told.tell(
        "a", "OpportunityOpened", 2, opportunity_id="a", stage="first", amount="5", expected_close=NOW.isoformat()
    )
    await metrics.fold_all(told.facts)
    moments = NOW, NOW + timedelta(microseconds=1)
    found = [await metrics.total("weighted_forecast", as_of=at.isoformat()) for at in moments]
    assert [one["overdue"] for one in found] == [0, 1]
