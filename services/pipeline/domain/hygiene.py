"""Which leads have a record that somebody has to put in order, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.contracts.interactions import REFUSALS
from shared.contracts.policy.calendar import Calendar, Period
from shared.contracts.policy.hygiene import Hygiene

Kind = Literal["stale", "incomplete", "duplicate", "unreachable"]
KINDS: tuple[Kind, ...] = get_args(Kind)

OPEN = ("new", "working", "qualified")

REACHED_BY = ("email", "phone")

FIRST_YEAR, LAST_YEAR = 1970, 2999
"""Of which years there may be anything to put in order, by the Gregorian calendar."""

PERIODS: tuple[Period, Period] = ("month", "quarter")

NO_SIGN_OF_LIFE = ("email_bounce", "email_auto_reply", *REFUSALS)
"""Interactions that nobody did, and those of who does not want to be reached."""


class Attempt(NamedTuple):
    """That somebody tried to reach the lead, and how it went."""

    at: datetime
    outcome: str | None


class Record(NamedTuple):
    """What is known of a lead. `worked_at` is when a person or the lead last did something, `alive_at` when the lead did, `bounced_at`
    when an e-mail last came back; `candidates` are the leads that may be the same."""

    lead_id: UUID
    business_unit: str
    status: str
    known: frozenset[str]
    worked_at: datetime
    alive_at: datetime | None = None
    bounced_at: datetime | None = None
    attempts: Sequence[Attempt] = ()
    candidates: int = 0
    suspected_at: datetime | None = None


class Finding(NamedTuple):
    """Something to be put in order. `facts` is what it is about, in numbers and names of fields, nothing of the person."""

    lead_id: UUID
    business_unit: str
    kind: Kind
    facts: dict[str, Any]


def findings(record: Record, rules: Hygiene, now: datetime) -> list[Finding]:
    """All that is to be put in order about a lead, at most one of a kind."""
    found: dict[Kind, dict[str, Any] | None] = {
        "stale": _stale(record, rules, now),
        "incomplete": _incomplete(record, rules),
        "duplicate": _duplicate(record),
        "unreachable": _unreachable(record, rules),
    }
    return [
        Finding(record.lead_id, record.business_unit, kind, facts) for kind, facts in found.items() if facts is not None
    ]


def _stale(record: Record, rules: Hygiene, now: datetime) -> dict[str, Any] | None:
    if record.status not in OPEN or now - record.worked_at < timedelta(days=rules.stale_days):
        return None
    return {"since": record.worked_at.isoformat(), "status": record.status}


def _incomplete(record: Record, rules: Hygiene) -> dict[str, Any] | None:
    missing: list[str] = [field for field in rules.required if field not in record.known]
    if not any(field in record.known for field in REACHED_BY):
        missing += [field for field in REACHED_BY if field not in missing]
    return {"missing": missing} if missing else None


def _duplicate(record: Record) -> dict[str, Any] | None:
    if not record.candidates or record.suspected_at is None:
        return None
    return {"candidates": record.candidates, "since": record.suspected_at.isoformat()}


def _unreachable(record: Record, rules: Hygiene) -> dict[str, Any] | None:
    """What counts is what came after the last sign that the lead was reached."""
    wrong_words = {one.casefold() for one in rules.wrong_outcomes}
    no = {one.casefold() for one in rules.failed_outcomes} | wrong_words
    reached = [one.at for one in record.attempts if one.outcome is not None and one.outcome.casefold() not in no]
    signs = [*reached, *([record.alive_at] if record.alive_at is not None else [])]
    since = max(signs, default=None)
    later = sorted(
        (one.at, one.outcome) for one in record.attempts if one.outcome and (since is None or one.at > since)
    )
    wrong = [(at, outcome) for at, outcome in later if outcome.casefold() in wrong_words]
    if wrong:
        return {"outcome": wrong[-1][1], "since": wrong[-1][0].isoformat()}
    if record.bounced_at is not None and (since is None or record.bounced_at > since):
        return {"outcome": "e-mail came back", "since": record.bounced_at.isoformat()}
    failed = len(later)
    return {"failed": failed} if failed >= rules.failed_attempts else None


def why(kind: str, facts: Mapping[str, Any], now: datetime) -> str:
    """Why a lead is on the list, in words."""
    match kind:
        case "stale":
            return f"{facts['status']}, and nothing happened for {_days(facts['since'], now)}"
        case "incomplete":
            return f"not known: {', '.join(facts['missing'])}"
        case "duplicate":
            number = facts["candidates"]
            other = "one other lead is" if number == 1 else f"{number} other leads are"
            return f"{other} probably the same, unanswered for {_days(facts['since'], now)}"
        case _:
            if "failed" in facts:
                return f"{facts['failed']} attempts in a row failed"
            return f"{facts['outcome']}, {_days(facts['since'], now)} ago"


TO_DO: Mapping[str, str] = {
    "stale": "Reach them (:record-contact), or put the lead aside (:archive), with a date to come back if there is one.",
    "incomplete": "Ask for it and capture it under the same address, number or id; or put the lead aside (:archive).",
    "duplicate": "Decide at GET /v1/merge-candidates: :merge or :dismiss.",
    "unreachable": "Find another address or number and capture it; or put the lead aside (:archive, not reachable).",
}


def _days(since: str, now: datetime) -> str:
    days = max((now - datetime.fromisoformat(since)).days, 0)
    return f"{days} day{'' if days == 1 else 's'}"


def period_of(text: str, zone: ZoneInfo, calendar: Calendar) -> tuple[datetime, datetime]:
    """From when until when a month or a quarter of a calendar lasts in a zone: `2026-11`, `2026-Q4`, of a year that does not begin
    with the calendar's `2026/27-Q3`. Raises `ValueError`."""
    found = calendar.named(text.upper()) if text.isascii() else None
    if found is None or found[0] not in PERIODS:
        raise ValueError(text)
    period, first = found
    if not FIRST_YEAR <= first.year <= LAST_YEAR:
        raise ValueError(text)
    return _midnight(first, zone), _midnight(calendar.moved(period, first, 1), zone)


def present(now: datetime, zone: ZoneInfo, calendar: Calendar) -> tuple[str, str]:
    """What the month and the quarter of now are called."""
    day = now.astimezone(zone).date()
    month, quarter = (calendar.name_of(one, calendar.first_of(one, day)) for one in PERIODS)
    return month, quarter


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def known_fields(personal: Collection[Mapping[str, Any]], touch: Mapping[str, Any]) -> frozenset[str]:
    """The fields of which something is known, of any of a person's ids."""
    said = {name for one in personal for name, value in one.items() if value}
    return frozenset(said | {name for name, value in touch.items() if value})
