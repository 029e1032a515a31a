"""What was spent, from files: what makes sense is taken, the rest is named with its line and what to do, and again is as once."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from shared.kit.app import settled_memory
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told

MARKETING = Path(__file__).parents[4] / "shared" / "data" / "marketing_spend" / "Marketing.csv"


async def take(metrics: Metrics, text: str | bytes) -> dict[str, Any]:
    content = text.encode() if isinstance(text, str) else text
    answer = await metrics.client.post("/v1/spending/import", content=content, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def spent(metrics: Metrics) -> dict[str | None, float]:
    await metrics.fold(Told().tell("a", "LeadCreated", 1, channel="phone").facts)
    answer = await metrics.ask("cac", group_by="campaign", as_of="2026-12-01T00:00:00+00:00")
    return {one["key"]["campaign"]: one["numerator"] for one in answer["groups"]}


async def test_wrong_lines_are_named_with_what_to_do_and_the_others_are_not_lost(metrics: Metrics) -> None:
    file = (
        "\ufeffDate,Last Day,Kind,Campaign,Spend,Currency,Clicks\n"
        "2026-03-01,2026-03-10,,spring,100.50,,17\n"
        "2026-03-01,,bribes,spring,5,,\n"
        "01.03.2026,,,spring,5,,\n"
        '2026-03-02,,,"spr\ning","1,000",,\n'
        "2026-03-02,2026-03-01,,late,5,,\n"
        "\n"
        "2026-03-03,,tools,,0,EUR,\n"
        "2026-03-01,2026-03-10,advertising,spring,7,EUR,\n"
        "2026-03-04,,,x,5,,,more\n"
        "2026-03-05,,,x,-1,,\n"
        "2026-03-06,,,y,8,USD,\n"
    )
    first = await take(metrics, file)
    assert (first["rows"], first["changed"], first["ignored_columns"]) == (10, 3, ["clicks"])
    assert [(one["line"], one["field"]) for one in first["rejected"]] == [
        (3, "kind"), (4, "first_day"), (5, "amount"), (7, "row"), (10, "row"), (11, "row"), (12, "amount"),
    ]  # fmt: skip
    assert "line 2" in first["rejected"][4]["problem"]
    assert all(one["problem"].endswith(".") and one["fix"] for one in first["rejected"])
    again = await take(metrics, file)
    assert (again["changed"], len(again["rejected"])) == (0, 7)


async def test_a_row_of_no_business_unit_of_the_policy_is_refused_and_the_others_are_taken(metrics: Metrics) -> None:
    told = await take(metrics, "date,unit,spend\n2026-03-01,tehran,5\n2026-03-01,tehrn,7\n2026-03-01,default,9\n")
    assert (told["rows"], told["changed"]) == (3, 2)
    (refused,) = told["rejected"]
    assert (refused["line"], refused["field"]) == (3, "business_unit")
    assert "'tehrn'" in refused["problem"]
    assert "default, tehran" in refused["fix"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b" ", "no column"),
        (b"amount\n1\n", "first_day"),
        (b"date,day,amount\n2026-01-01,2026-01-01,1\n", "Two of its columns"),
        ("date,amount\n2026-01-01,1 €".encode("utf-16"), "UTF-8"),
    ],
)
async def test_what_is_no_such_file_is_refused_as_a_whole(metrics: Metrics, text: bytes, problem: str) -> None:
    refused = await metrics.client.post("/v1/spending/import", content=text, headers={"Content-Type": "text/csv"})
    assert refused.status_code == 422, refused.text
    assert problem in refused.json()["detail"]
    assert refused.json()["fix"]


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_is_mixed_in_every_right_row_counts_once(metrics: Metrics, seed: int) -> None:
    chance = Random(seed)
    expected: dict[str | None, float] = {}
    lines = []
    for number in range(60):
        name, amount = f"c{number}", chance.randrange(0, 900) / 4
        broken = chance.choice((None, None, "amount", "day"))
        lines.append([
            f"2026-02-{30 if broken == 'day' else chance.randrange(1, 29):02d}",
            "two" if broken == "amount" else str(amount), name, chance.choice(("salaries", "Tools ", "")),
        ])  # fmt: skip
        if broken is None:
            expected[name] = amount
    text = io.StringIO()
    writer = csv.writer(text, delimiter=chance.choice(";\t|,"))
    writer.writerows([["day", "AMOUNT", "campaign", "type"], *lines])
    found = await take(metrics, text.getvalue())
    assert (found["rows"], len(found["rejected"])) == (60, 60 - len(expected))
    await take(metrics, text.getvalue())
    counted = await spent(metrics)
    assert {name: amount for name, amount in counted.items() if name} == {
        name: pytest.approx(amount) for name, amount in expected.items()
    }


@pytest.mark.skipif(not MARKETING.exists(), reason="the real data is not here: ../shared/data is absent")
async def test_a_real_book_of_advertising_is_taken_as_it_is(metrics: Metrics) -> None:
    text = MARKETING.read_text().replace("c_date", "date", 1).replace("campaign_name", "campaign", 1)
    text = text.replace("category", "source", 1).replace("mark_spent", "amount", 1)
    found = await take(metrics, text)
    assert (found["rejected"], found["changed"]) == ([], found["rows"])
    totals: dict[str, float] = {}
    with MARKETING.open(newline="") as file:
        for line in csv.DictReader(file):
            totals[line["campaign_name"]] = totals.get(line["campaign_name"], 0.0) + float(line["mark_spent"])
    rows = await metrics.client.get("/v1/spending", params={"limit": 1000})
    sums: dict[str, float] = {}
    for one in rows.json()["items"]:
        sums[one["campaign"]] = sums.get(one["campaign"], 0.0) + float(one["amount"])
    assert sums == {name: pytest.approx(amount) for name, amount in totals.items()}


async def test_a_long_file_leaves_room_for_others_while_it_is_read(metrics: Metrics) -> None:
    """In processor time of the event loop's thread, which whatever else the machine does is no part of."""
    lines = [f"2026-02-01,c{number},1" for number in range(8_000)]
    turns: list[float] = []

    async def watch() -> None:
        while True:
            turns.append(time.thread_time())
            await asyncio.sleep(0.01)

    with settled_memory():  # as in a service: what other tests left is not walked through while this one is timed
        watching = asyncio.create_task(watch())
        await asyncio.sleep(0.05)
        found = await take(metrics, "date,campaign,amount\n" + "\n".join(lines))
        await asyncio.sleep(0.05)
        watching.cancel()
    assert found["changed"] == len(lines)
    assert max(later - before for before, later in pairwise(turns)) < (turns[-1] - turns[0]) / 2


async def test_days_for_which_two_rows_of_one_thing_tell_what_was_spent_are_named(metrics: Metrics) -> None:
    month = await take(metrics, "first_day,last_day,campaign,amount\n2026-03-01,2026-03-31,spring,3100\n")
    assert (month["overlapping"], month["overlaps"]) == (0, [])
    days = "".join(f"2026-{3 + day // 31:02}-{1 + day % 31:02},spring,100\n" for day in range(33))
    others = "2026-03-05,autumn,5\n2026-03-05,,7\n2026-03-06,,0\n"
    for _ in range(2):
        told = await take(metrics, f"day,campaign,amount\n{days}{others}")
        assert told["overlapping"] == 31, "not the two days of April, nor what is of another campaign or of none"
        assert len(told["overlaps"]) == 20
        first = told["overlaps"][0]
        assert (first["campaign"], first["first_day"], first["last_day"]) == ("spring", "2026-03-01", "2026-03-01")
    free = {"first_day": "2026-03-06", "last_day": "2026-03-07", "amount": "0"}
    answer = await metrics.client.post("/v1/spending", json={"rows": [free]})
    assert answer.json()["overlapping"] == 0, "nothing was spent on it"
    longer = {"campaign": "autumn", "first_day": "2026-03-03", "last_day": "2026-03-05", "amount": "9"}
    (one,) = (await metrics.client.post("/v1/spending", json={"rows": [longer]})).json()["overlaps"]
    assert (one["campaign"], one["first_day"], one["last_day"]) == ("autumn", "2026-03-05", "2026-03-05")
    assert (await metrics.client.delete(f"/v1/spending/{one['spend_id']}")).status_code == 204
    assert (await metrics.client.post("/v1/spending", json={"rows": [longer]})).json()["overlapping"] == 0
