"""A report from its name to bytes: which days are meant, what is asked, in which language and form it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from services.metrics import formats
from services.metrics.domain.calendars import calendars_of
from services.metrics.domain.questions import CUTS
from services.metrics.reporting import html
from services.metrics.reporting.ahead import outlook
from services.metrics.reporting.document import Document
from services.metrics.reporting.gathering import gathered
from services.metrics.reporting.letters import Letters
from services.metrics.reporting.noticed import going_on
from services.metrics.reporting.periods import Window, last_whole, of_days, trend, window_named
from services.metrics.reporting.plan import Ask, Scope, asks
from services.metrics.reporting.printing import as_pdf
from services.metrics.reporting.telling import Answer, Telling
from services.metrics.reporting.wording import Wording
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import Calendar, System
from shared.contracts.policy.reports import File, Language, Report
from shared.contracts.spreadsheets import cell, lines
from shared.kit.database import Database
from shared.kit.errors import Rejected

MEDIA_TYPES: Mapping[File, str] = {
    "json": "application/json",
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "csv": "text/csv; charset=utf-8",
}
OVERVIEW = "overview"


@dataclass(frozen=True, slots=True)
class Wish:
    """How somebody wants a report: all else is as the report has it."""

    period: str | None = None
    start: date | None = None
    end: date | None = None
    units: tuple[str, ...] = ()
    by: str | None = None
    language: Language | None = None
    calendar: System | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A report's document, and the answers that it was made of."""

    document: Document
    answers: Mapping[Ask, Answer | None]


PRINTERS = 2
"""So many PDFs are written at once, each by a process of a hundred megabytes; others wait for their turn."""


class Reports:
    """Tells and writes reports over one database and one policy. `url` is where people reach the KPI API."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy
        self._letters = Letters()
        self._printers = asyncio.Semaphore(PRINTERS)

    async def tell(self, name: str, report: Report, wish: Wish, now: datetime, link: Callable[[str], str]) -> Told:
        """Asks everything and puts it into words. Raises `Rejected` where something is wished for that there is not."""
        units = wish.units or report.business_units
        calendar, zone = where(self._policy, units, wish.calendar or report.calendar)
        try:
            today = (wish.as_of or now).astimezone(zone).date()
            window = _window(name, report, wish, today, calendar)
            shown = trend(window, today, calendar)
        except (ValueError, OverflowError):
            raise Rejected(
                "No calendar has so many days.",
                code="invalid-parameter",
                field="from",
                fix="Ask for days of this century.",
            ) from None
        if wish.by is not None and wish.by not in CUTS:
            raise Rejected(
                "It names a cut that does not exist.",
                code="unknown-cut",
                field="by",
                fix=f"Use one of {', '.join(CUTS)}.",
            )
        scope = Scope(
            window, units, calendar, wish.as_of or now, shown, calendar.system, wish.by, report.horizon_days,
            tuple((name, value) for name, values in sorted(report.filters.items()) for value in values),
        )  # fmt: skip
        answers = await gathered(self._database, self._policy, asks(report, scope), now)
        words = Wording(wish.language or report.language, calendar.system)
        coming = (
            await outlook(self._database, self._policy, scope, report.period)
            if report.forecast and not report.filters
            else None
        )
        changed = await going_on(self._database, scope) if report.findings and not report.filters else ()
        telling = Telling(name, report, scope, words, answers, zone, today, self._policy.version, link, coming, changed)
        return Told(telling.document(), answers)

    async def written(self, told: Told, form: File) -> bytes:
        """The document as a file."""
        match form:
            case "json":
                return orjson.dumps(asdict(told.document))
            case "csv":
                return as_csv(told.answers)
            case "html":
                return html.page(told.document, await self._letters.style()).encode()
            case "pdf":
                page = html.page(told.document)
                async with self._printers:
                    return await as_pdf(page)


def where(policy: Policy, units: Sequence[str], system: System | None) -> tuple[Calendar, ZoneInfo]:
    """By whose calendar and where the days of a report are counted: its unit's; of several, as the KPI API has them together."""
    own = policy.unit(units[0]) if len(units) == 1 else policy.defaults
    calendar = calendars_of(policy, units).default
    return calendar.in_system(system) if system else calendar, own.zone


def _window(name: str, report: Report, wish: Wish, today: date, calendar: Calendar) -> Window:
    if wish.period is not None:
        if wish.start or wish.end:
            raise Rejected(
                "`period` and `from` or `to` contradict each other.", code="invalid-parameter", field="period",
                fix="Give one of them.",
            )  # fmt: skip
        return window_named(wish.period, today, calendar)
    if wish.start or wish.end:
        return of_days(wish.start, wish.end, calendar)
    return Window() if name == OVERVIEW else last_whole(report.period, today, calendar)


def as_csv(answers: Mapping[Ask, Answer | None]) -> bytes:
    """Every answer of a report below the other, for spreadsheets. `cut` and `group` say of what a line is."""
    told: list[Sequence[Any]] = []
    columns: list[str] = []
    for asked, answer in answers.items():
        if answer is None:
            continue
        cuts = list(answer["group_by"])
        names = [name for name in formats.columns(answer) if name not in cuts]
        columns = ["cut", "group", *names, "path"]
        for row in formats.rows(answer):
            group = None if row["is_total"] else next((row[cut] for cut in cuts), None)
            told.append([", ".join(cuts) or None, group, *(row.get(name) for name in names), asked.path])
    return lines([columns, *([cell(value) for value in row] for row in told)])
