"""What a report tells is what the KPI API answers, in every language and form."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from services.metrics.reporting.standard import STANDARD
from services.metrics.reporting.wording import Wording
from shared.contracts.policy import Policy, UnitPolicy
from shared.contracts.policy.calendar import Calendar, System
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.telling import EVIL, half_a_year
from tests.unit.metrics.stories import Told

NOW = datetime(2026, 6, 10, 9, 30, tzinfo=UTC)


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"), now=NOW)
    yield found
    await found.close()


async def told(metrics: Metrics, name: str, **parameters: Any) -> dict[str, Any]:
    answer = await metrics.client.get(f"/v1/reports/{name}/told", params={"format": "json", **parameters})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def number(document: dict[str, Any], kpi: str) -> dict[str, Any]:
    (found,) = [one for one in document["numbers"] if one["kpi"] == kpi]
    return dict(found)


@pytest.mark.parametrize("name", STANDARD)
async def test_every_number_is_the_one_that_its_link_answers(metrics: Metrics, name: str) -> None:
    await metrics.fold_all(half_a_year())
    document = await told(metrics, name)
    assert document["numbers"]
    for one in document["numbers"]:
        answer = await metrics.client.get(one["href"])
        assert answer.json()["total"]["value"] == one["value"], one["kpi"]
        counter = await metrics.client.get(one["counter"]["href"])
        assert counter.json()["kpi"] == one["counter"]["kpi"]
    for series in document["charts"]:
        answer = await metrics.client.get(series["href"])
        values = [group.get("value") for group in answer.json()["groups"]]
        shown = [point["value"] for point in series["points"]]
        assert [one for one in values if one is not None] == [one for one in shown if one] or series["unit"]


async def test_a_month_is_held_against_the_one_before_and_the_year_before(metrics: Metrics) -> None:
    story = Told()
    for at in (95, 100, 125, 126, 127):  # two in April, three in May
        story.tell(f"l{at}", "LeadCreated", at, channel="web_form")
    for at in range(4):  # four in the May of a year before
        story.tell(f"before{at}", "LeadCreated", 125 - 365 + at, channel="web_form")
    await metrics.fold_all(story.facts)
    document = await told(metrics, "monthly")
    assert document["period"] == "May 2026"
    leads = number(document, "leads_created")
    assert leads["texts"] == ["3"]
    assert [(one["how"], one["label"], one["value"], one["change"], one["good"]) for one in leads["compared"]] == [
        ("previous", "April 2026", "2", "+50.0%", True),
        ("last_year", "May 2025", "4", "−25.0%", False),
    ]
    assert "Nothing is known of" in document["silent"]


async def test_a_report_speaks_the_language_and_counts_by_the_calendar_that_is_asked_for(metrics: Metrics) -> None:
    await metrics.fold_all(half_a_year())
    persian = await told(metrics, "monthly", lang="fa", calendar="jalali")
    assert (persian["direction"], persian["period"], persian["title"]) == ("rtl", "اردیبهشت ۱۴۰۵", "گزارش ماهانه")
    leads = number(persian, "leads_created")
    assert "from=2026-04-21&to=2026-05-22" in leads["href"]
    assert not re.search(r"[0-9]", "".join([*leads["texts"], *(one["change"] for one in leads["compared"])]))
    english = await told(metrics, "monthly", calendar="jalali")
    assert english["period"] == "Ordibehesht 1405"
    assert number(english, "leads_created")["value"] == leads["value"]
    hebrew = await told(metrics, "monthly", lang="he")
    assert (hebrew["direction"], hebrew["period"]) == ("rtl", "מאי 2026")


async def test_a_cohort_that_is_young_says_so_and_a_small_one_shows_its_interval(metrics: Metrics) -> None:
    story = Told()
    for number_of in range(5):
        story.tell(f"l{number_of}", "LeadCreated", 140, channel="web_form")
    story.tell("l0", "OpportunityOpened", 145, opportunity_id="o")
    await metrics.fold_all(story.facts)
    share = number(await told(metrics, "monthly"), "lead_to_opportunity_cohort")
    assert share["texts"] == ["20.0%"]
    assert share["young"] == "Young: 20% decided, it will still change"
    assert "1 of 5" in share["notes"]
    assert any(note.startswith("95% interval 3.6% to 62.4%") for note in share["notes"])


async def test_a_target_stands_below_its_number(metrics: Metrics) -> None:
    await metrics.fold_all(half_a_year())
    answer = await metrics.client.put(
        "/v1/targets", json={"kpi": "leads_created", "period": "2026-05", "value": "1000"}
    )
    assert answer.status_code == 200, answer.text
    leads = number(await told(metrics, "monthly"), "leads_created")
    assert leads["wanted"]["text"] == f"Target 1,000: {leads['value'] / 10:.1f}% of it"
    assert leads["wanted"]["good"] is False
    assert number(await told(metrics, "monthly"), "opportunities_won")["wanted"] is None


async def test_numbers_can_be_cut_by_something_else(metrics: Metrics) -> None:
    await metrics.fold_all(half_a_year())
    document = await told(metrics, "overview", by="source")
    table = document["tables"][0]
    assert (table["title"], table["lines"][-1]["label"]) == ("By source", "not known")
    asked = await metrics.ask("leads_created", group_by="source")
    assert {line["label"]: line["cells"][0]["texts"] for line in table["lines"][:-1]} == {
        group["key"]["source"]: [str(group["value"])] for group in asked["groups"] if group["key"]["source"]
    }


async def test_a_report_for_spreadsheets_has_every_answer_and_runs_nothing(metrics: Metrics) -> None:
    await metrics.fold_all(half_a_year())
    answer = await metrics.client.get("/v1/reports/monthly/told", headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["kpi"] for row in rows} >= set(STANDARD["monthly"].kpis)
    assert "'=1+1" in {row["group"] for row in rows}
    assert not any(row["group"].startswith("=") for row in rows)
    again = await metrics.client.get(
        next(row["path"] for row in rows if row["kpi"] == "leads_created" and not row["cut"])
    )
    assert again.status_code == 200


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.headings: list[int] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "href":
                self.links.append(value or "")
            if name in ("src", "srcset", "data", "xlink:href"):
                self.loaded.append(value or "")
            assert not name.startswith("on"), "nothing runs"
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in ("meta", "br", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["en", "fa", "he"])
async def test_a_page_is_one_file_that_runs_and_fetches_nothing(metrics: Metrics, language: str) -> None:
    await metrics.fold_all(half_a_year())
    answer = await metrics.client.get("/v1/reports/monthly/told", params={"lang": language, "format": "html"})
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    page = Page(answer.text)
    assert page.open == []
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert page.loaded == []
    assert all(link.startswith(("http://metrics/v1/kpis/", "http://metrics/v1/forecast?")) for link in page.links)
    assert "url(http" not in answer.text
    assert "@import" not in answer.text
    assert EVIL not in answer.text
    assert page.headings[0] == 1
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/v1/reports/daily/told", 404, "name"),
        ("/v1/reports/daily", 404, "name"),
        ("/v1/reports/monthly/told?period=soon", 422, "period"),
        ("/v1/reports/monthly/told?period=2026-05&from=2026-01-01", 422, "period"),
        ("/v1/reports/monthly/told?from=2026-02-01&to=2026-01-01", 422, "to"),
        ("/v1/reports/monthly/told?by=colour", 422, "by"),
        ("/v1/reports/monthly/told?from=9998-12-30&to=9999-12-31", 422, "from"),
        ("/v1/reports/monthly/told?period=9999y", 422, "period"),
        ("/v1/reports/monthly/told?as_of=9999-12-31T23:59:59Z", 422, "as_of"),
        ("/v1/reports/monthly/told?colour=red", 422, "colour"),
        ("/v1/reports/monthly/told?lang=xx", 422, "lang"),
        ("/v1/reports/monthly/told?format=docx", 422, "format"),
    ],
)
async def test_what_there_is_not_is_refused_with_what_there_is(
    metrics: Metrics, path: str, status: int, field: str
) -> None:
    answer = await metrics.client.get(path)
    assert (answer.status_code, answer.json().get("field")) == (status, field), answer.text


async def test_an_empty_business_is_told_without_a_fault(metrics: Metrics) -> None:
    for name in STANDARD:
        document = await told(metrics, name)
        assert document["foot"][1] == "Nothing has been counted yet"
        page = await metrics.client.get(f"/v1/reports/{name}/told", params={"format": "html"})
        assert page.status_code == 200


async def test_several_units_are_told_together_by_one_calendar(migrated_database: Callable[..., str]) -> None:
    iranian = UnitPolicy(calendar=Calendar(system="jalali", week_starts="saturday"), time_zone="Asia/Tehran")
    policy = Policy(version="test", business_units={"isfahan": iranian, "tehran": iranian})
    metrics = Metrics(migrated_database("metrics"), now=NOW, policy=policy)
    for unit in ("isfahan", "tehran"):
        story = Told(unit)
        for at in range(6):
            story.tell(f"{unit}{at}", "LeadCreated", 150 + at, channel="web_form")
        await metrics.fold_all(story.facts)
    document = await told(metrics, "weekly", business_unit=["isfahan", "tehran"])
    assert "from=2026-05-30&to=2026-06-06" in number(document, "leads_created")["href"], "from Saturday to Friday"
    assert number(document, "leads_created")["value"] == sum(
        point["value"] for point in document["charts"][0]["points"][-1:]
    )
    await metrics.close()


OURS = ("north-7", "צפון-2", "شمال-۳", "\u202ewrong")
TITLE, VERSION = "Q3-plan שלנو", "2026-12"


@pytest.mark.parametrize("language", ["en", "fa", "he"])
async def test_a_name_is_read_in_its_own_direction_and_turns_nothing_around_it(
    migrated_database: Callable[..., str], language: str
) -> None:
    unit = UnitPolicy(channels=("phone",))
    metrics = Metrics(
        migrated_database("metrics"),
        now=NOW,
        policy=Policy(version=VERSION, business_units={"east-1": unit, "west-2": unit}),
    )
    try:
        story = Told("east-1")
        for place, name in enumerate(OURS):
            story.tell(f"a{place}", "LeadCreated", 130, channel="phone", source=name, campaign=name)
        await metrics.fold(story.facts)
        report = {
            "title": TITLE, "headlines": ["leads_created"], "cuts": [{"by": "source", "kpis": ["leads_created"]}],
            "filters": {"campaign": [*OURS, ""]}, "business_units": ["east-1", "west-2"], "language": language,
        }  # fmt: skip
        assert (await metrics.client.put("/v1/reports/ours", json=report)).status_code == 200
        page = (await metrics.client.get("/v1/reports/ours/told", params={"format": "html", "period": "2026-05"})).text
        shown = re.sub(r'="[^"]*"', "", page)
        assert shown.count(OURS[1]) == 2, "in what it is narrowed to and in a line of its own"
        apart = re.sub("<bdi>[^<]*</bdi>|\u2068[^\u2069]*\u2069", "", shown)
        names = (*OURS, TITLE, VERSION, "east-1", "west-2")
        assert all(name in shown for name in (*OURS[:3], TITLE, VERSION, "east-1"))
        assert [name for name in names if name in apart and not (language == "en" and name.isascii())] == []
        line = page[page.index('class="units"') :].partition("</p>")[0]
        assert "\u202e" not in line, "what turns all that comes after it is left out of a line of several names"
    finally:
        await metrics.close()


async def test_what_is_to_come_is_linked_by_the_months_that_the_report_shows(metrics: Metrics) -> None:
    await metrics.fold_all(half_a_year())
    each: tuple[tuple[System, str], ...] = (("jalali", "2026-05-22"), ("gregorian", "2026-06-01"))
    for system, first in each:
        document = await told(metrics, "monthly", calendar=system, lang="fa")
        answer = (await metrics.client.get(document["ahead"]["href"])).json()
        assert answer["periods"][0]["from"] == first
        means = [one["total"]["combined"]["value"] for one in answer["periods"]]
        words = Wording("fa", system)
        assert [line["cells"][2]["texts"] for line in document["ahead"]["lines"]] == [
            [words.money(mean, answer["currency"])] for mean in means
        ]
