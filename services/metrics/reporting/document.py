"""A report as it is told: every number with its words, in one language, before it is drawn, printed or sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Compared:
    """A number beside that of another window. `good` says whether the change is to the better, where that can be said."""

    how: Literal["previous", "last_year"]
    label: str
    value: str
    change: str
    moved: float
    good: bool | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants a number to be, how much of that is there, and how much of what should be by now."""

    text: str
    share: float | None
    good: bool | None
    href: str


@dataclass(frozen=True, slots=True)
class Point:
    """One place of a chart. `low` and `high` are its interval, `over` says that its period is over."""

    name: str
    label: str
    value: float | None
    text: str
    over: bool = True
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """A number over time. `axis` are the places of its lines with their texts, `summary` says what is to be seen."""

    kpi: str
    name: str
    columns: bool
    points: tuple[Point, ...]
    axis: tuple[tuple[float, str], ...]
    summary: str
    unit: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Number:
    """One number with what makes it honest. `notes` are said below it, `young` warns of a cohort that will still change."""

    kpi: str
    name: str
    texts: tuple[str, ...]
    value: float | None
    unit: str
    href: str
    compared: tuple[Compared, ...] = ()
    notes: tuple[str, ...] = ()
    young: str | None = None
    wanted: Wanted | None = None
    counter: Number | None = None
    spark: Series | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the funnel, as a share of the first and of the one before."""

    name: str
    count: str
    share: float
    of_all: str
    of_step: str
    young: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A value in a table. `share` is how long its bar is, beside the longest of its column."""

    texts: tuple[str, ...]
    share: float | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table. `is_word` says that its label is of the language, not a name of the business."""

    label: str
    is_word: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers side by side, for each value of a cut, with the total below."""

    title: str
    heading: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    total: Line | None = None
    bars: bool = False
    by: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a number says, what to mind, and where it can be asked again."""

    kpi: str
    name: str
    meaning: str
    trap: str
    version: str
    href: str
    leads_href: str


@dataclass(frozen=True, slots=True)
class Document:
    """The whole report. `silent` says which of its numbers nothing is known of, and which are not known by what it is narrowed to."""

    report: str
    title: str
    period: str
    period_key: str
    language: str
    direction: Literal["ltr", "rtl"]
    units: str
    as_of: str
    numbers: tuple[Number, ...]
    silent: str
    funnel: tuple[Step, ...]
    funnel_note: str
    charts: tuple[Series, ...]
    durations: Table | None
    tables: tuple[Table, ...]
    ahead: Table | None
    noticed: Table | None
    meanings: tuple[Meaning, ...]
    foot: tuple[str, ...]
    headings: dict[str, str]
