"""The fields a lead and a row of history have, and how a cell becomes one."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from shared.tabular import jalali

Kind = Literal["leads", "history"]

LEAD_FIELDS = (
    "business_unit", "external_id", "email", "phone", "name", "company", "job_title", "country", "language", "channel",
    "source", "medium", "campaign", "content", "term", "product", "message", "consent", "occurred_at", "visitor_id",
    "record_id",
)  # fmt: skip
HISTORY_FIELDS = (
    "business_unit", "external_id", "event", "occurred_at", "record_id", "opportunity_id", "stage", "reason", "amount",
    "currency", "owner", "team", "product", "kind", "value", "expected_close", "channel", "source", "medium", "campaign",
    "order_id", "renews", "runs_until", "cost", "lines", "duration_seconds", "pipeline",
)  # fmt: skip
HISTORY_EVENTS = (
    "lead_created", "interaction", "assigned", "qualified", "archived", "reopened", "contact_attempted",
    "opportunity_opened", "stage_changed", "amount_changed", "close_date_changed", "opportunity_assigned", "won", "lost", "order_placed",
    "order_refunded", "order_cancelled", "churned", "satisfaction_asked", "satisfaction",
)  # fmt: skip
REQUIRED_BY_EVENT: Mapping[str, tuple[str, ...]] = {
    "assigned": ("owner",),
    "stage_changed": ("stage",),
    "amount_changed": ("amount or lines",),
    "close_date_changed": ("expected_close",),
    "opportunity_assigned": ("owner",),
    "order_placed": ("amount or lines",),
    "order_refunded": ("order_id", "amount"),
    "order_cancelled": ("order_id",),
    "satisfaction": ("value",),
}
TIMES = ("occurred_at", "expected_close", "runs_until")
AMOUNTS = ("amount", "cost")
ATTRIBUTE = "attributes."

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}T")
_YES = frozenset({"true", "yes", "y", "1"})
_NO = frozenset({"false", "no", "n", "0"})


class Unusable(Exception):
    """A row cannot become what was asked for. The message names the field and its fault, never the value."""


def fields_of(kind: Kind) -> tuple[str, ...]:
    """The canonical field names of a kind of row."""
    return LEAD_FIELDS if kind == "leads" else HISTORY_FIELDS


def canonical(column: str, kind: Kind) -> str:
    """The field a column's title means (`Job Title` is `job_title`), or the title itself where it means none."""
    folded = column.strip().lower().replace(" ", "_").replace("-", "_")
    return folded if folded in fields_of(kind) else column.strip()


def zone_named(name: str) -> tzinfo:
    """The time zone of that name. Raises `ValueError` for an unknown one."""
    try:
        return UTC if name.upper() in ("UTC", "Z") else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Amsterdam or UTC") from None


def read_time(text: str, field: str, zone: tzinfo | None, formats: Sequence[str] = ()) -> str:
    """A moment as ISO 8601 in UTC. Without `formats` the text is ISO 8601; a time without a zone is in `zone`, and where
    that is None it stays without one: the services read it in the zone of its business unit. Digits are of any script."""
    moment: datetime | None = None
    text = with_plain_digits(text)
    for form in formats:
        try:
            if form in ("unix", "unix_ms"):
                moment = datetime.fromtimestamp(float(text) / (1000 if form == "unix_ms" else 1), UTC)
            elif form == "iso":
                moment = datetime.fromisoformat(text)
            elif form.startswith(jalali.PREFIX):
                moment = jalali.read(text, form.removeprefix(jalali.PREFIX))
            else:
                moment = datetime.strptime(text, form)  # noqa: DTZ007 - its zone is looked at below
            break
        except (ValueError, OverflowError, OSError):
            continue
    if not formats:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise Unusable(
                f"{field}: is no ISO 8601 time; write 2026-03-31T14:05:00+02:00 or map it with a date_format"
            ) from None
    if moment is None and _ISO_DATE.match(text):
        # A spreadsheet's real dates are written so, whatever format its other cells are typed in.
        moment = _iso(text)
    if moment is None:
        raise Unusable(f"{field}: does not fit the date_format {' or '.join(formats)}")
    if moment.tzinfo is None and zone is None:
        return moment.isoformat()
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    try:
        return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        raise Unusable(f"{field}: is outside the calendar") from None


def with_plain_digits(text: str) -> str:
    """The same with digits as 0 to 9, and without the signs that only say in which direction it is written."""
    return text if text.isascii() else "".join(_plain(one) for one in text).strip()


def _plain(one: str) -> str:
    kind = unicodedata.category(one)
    return str(unicodedata.decimal(one)) if kind == "Nd" else "" if kind == "Cf" else one


def text_of(value: Any) -> str:
    """A cell as text: JSON's numbers and booleans as they are written there."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def row_digest(columns: Mapping[str, Any]) -> str:
    """A stable name for a row that has no id: the same cells give the same name, whatever their order."""
    content = orjson.dumps(columns, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(content, digest_size=16, person=b"leadflow-row-1").hexdigest()


def read_consent(value: Any) -> Any:
    """Consent as capture takes it: words for yes and no become booleans, the rest stays as it is."""
    word = value.strip().lower() if isinstance(value, str) else None
    if word in _YES:
        return True
    return False if word in _NO else value
