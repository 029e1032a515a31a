"""A row of somebody's history, read: validated, its time in UTC, its id given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple, NoReturn
from uuid import UUID
from zoneinfo import ZoneInfo

from services.pipeline.domain.amounts import Line, lines_total, normal_amount
from services.pipeline.domain.fingerprints import contradicts
from services.pipeline.domain.refusals import Refused
from shared.contracts.activity_events import LONGEST_SECONDS
from shared.contracts.envelope import EARLIEST, LATEST
from shared.contracts.identity import event_id_from
from shared.contracts.policy import Policy
from shared.contracts.tokens import clean_token, digits_of

EVENTS = (
    "lead_created",
    "interaction",
    "assigned",
    "qualified",
    "archived",
    "reopened",
    "contact_attempted",
    "opportunity_opened",
    "stage_changed",
    "amount_changed",
    "close_date_changed",
    "opportunity_assigned",
    "won",
    "lost",
    "order_placed",
    "order_refunded",
    "order_cancelled",
    "churned",
    "satisfaction_asked",
    "satisfaction",
)

ABOUT_ORDERS = ("order_placed", "order_refunded", "order_cancelled")

REQUIRED: dict[str, tuple[str, ...]] = {
    "assigned": ("owner",),
    "stage_changed": ("stage",),
    "amount_changed": ("amount",),
    "opportunity_assigned": ("owner",),
    "order_placed": ("amount",),
    "order_refunded": ("order_id", "amount"),
    "order_cancelled": ("order_id",),
    "satisfaction": ("value",),
}

SCALES: dict[str, tuple[int, int]] = {"csat": (1, 5), "nps": (0, 10)}

FUTURE_TOLERANCE = timedelta(minutes=10)

_TEXTS = (
    "record_id",
    "order_id",
    "renews",
    "opportunity_id",
    "pipeline",
    "stage",
    "reason",
    "owner",
    "team",
    "product",
    "kind",
    "value",
    "channel",
    "source",
    "medium",
    "campaign",
)
_LONGEST = 200


class Formerly(NamedTuple):
    """How a row was known where the policy says what it leaves open, its zone or its currency, and the policy of today says the same."""

    event_id: UUID
    fingerprint: str


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One thing that happened, as another system recorded it. `place` is its line among those sent with it; `written_id` how it writes
    the lead's id, which imported history was once known by."""

    place: int
    business_unit: str
    external_id: str
    event: str
    occurred_at: datetime
    event_id: UUID
    fingerprint: str
    values: Mapping[str, str]
    expected_close: datetime | None = None
    lines: Sequence[Line] = ()
    duration_seconds: float | None = None
    formerly: Formerly | None = None
    written_id: str | None = None

    @property
    def event_ids(self) -> tuple[UUID, ...]:
        """Under which the row may have been recorded."""
        return (self.event_id,) if self.formerly is None else (self.event_id, self.formerly.event_id)

    def contradicts(self, recorded: str) -> bool:
        """Whether what was recorded under the row's id says something else."""
        told = (self.fingerprint,) if self.formerly is None else (self.fingerprint, self.formerly.fingerprint)
        return all(contradicts(recorded, one) for one in told)


def read_row(raw: object, *, place: int, sender: str, policy: Policy, now: datetime) -> HistoryRow:
    """One row. Raises `Refused` naming the field, its fault and what to write instead."""
    if not isinstance(raw, Mapping):
        _refuse("row", "is not an object", 'Send rows as {"external_id": …, "event": …, "occurred_at": …}.')
    business_unit = _text(raw, "business_unit") or "default"
    unit = policy.unit(business_unit)
    external_id, written_id = _external_id(raw)
    if not external_id or written_id is None:
        _refuse("external_id", "is missing", "Send the id that the lead has in your system.")
    event = _text(raw, "event")
    if event not in EVENTS:
        _refuse("event", "is missing" if event is None else "is unknown", f"Send one of: {', '.join(EVENTS)}.")
    zone = unit.zone
    occurred = _time(raw, "occurred_at", zone)
    if occurred is None:
        _refuse("occurred_at", "is missing", "Send when it happened, such as 2026-03-01T09:30:00+01:00.")
    if occurred.at > now + FUTURE_TOLERANCE:
        _refuse("occurred_at", "is in the future", "Send a time that has passed.")
    values = {name: text for name in _TEXTS if (text := _text(raw, name)) is not None}
    values.update(_money(raw, unit.currency))
    if event in ("satisfaction", "satisfaction_asked"):
        _satisfaction(event, values)
    lines = _lines(raw.get("lines"))
    if lines and event in ("order_placed", "amount_changed", "opportunity_opened"):
        values.setdefault("amount", lines_total(lines))
        values.setdefault("currency", unit.currency)
    if event in ABOUT_ORDERS:
        _not_less_than_nothing(values)
    if (runs_until := _time(raw, "runs_until", zone)) is not None:
        values["runs_until"] = runs_until.at.isoformat()
    for needed in REQUIRED.get(event, ()):
        if needed not in values:
            _refuse(needed, f"is missing, and {event} is nothing without it", f"Send `{needed}`.")
    expected_close = _time(raw, "expected_close", zone)
    if event == "close_date_changed" and expected_close is None:
        _refuse("expected_close", f"is missing, and {event} is nothing without it", "Send `expected_close`.")
    seconds = _seconds(raw) if event == "contact_attempted" else None
    record_id = values.get("record_id")

    def known_by(when: datetime, told: Mapping[str, str], closing: datetime | None) -> tuple[UUID, str]:
        facts = [business_unit, written_id, event, when.isoformat(), told, str(closing), raw.get("attributes")]
        try:
            own_facts = json.dumps([*facts, *([lines] if lines else ())], sort_keys=True, default=str)
        except RecursionError:
            _refuse("attributes", "are nested too deeply", "Send them as names and values.")
        key = f"{event}\x1f{record_id}" if record_id is not None else own_facts
        fingerprint = _digest(own_facts) + (_digest(str(seconds)) if seconds is not None else "")
        return event_id_from(f"{business_unit}\x1f{sender}", key), fingerprint

    closing, closing_said = (expected_close.at, expected_close.said) if expected_close is not None else (None, None)
    read = occurred.at, values, closing
    said = occurred.said, _as_said(raw, values, runs_until), closing_said
    known = known_by(*said)
    return HistoryRow(
        place,
        business_unit,
        external_id,
        event,
        occurred.at,
        *known,
        values,
        closing,
        lines,
        seconds,
        Formerly(*known_by(*read)) if read != said else None,
        written_id,
    )


def _as_said(raw: Mapping[Any, Any], values: Mapping[str, str], runs_until: When | None) -> dict[str, str]:
    """The values without what the policy added: a row is itself by what it says, whatever the policy of today makes of it."""
    said = dict(values)
    if _text(raw, "currency") is None:
        said.pop("currency", None)
    if runs_until is not None:
        said["runs_until"] = runs_until.said.isoformat()
    return said


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _seconds(raw: Mapping[Any, Any]) -> float | None:
    """How long an attempt took. It is told beside what makes the row, which was recognised before there was this."""
    text = _text(raw, "duration_seconds")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_SECONDS:
        _refuse("duration_seconds", f"is no number from 0 to {LONGEST_SECONDS}", "Send how many seconds it took.")
    return seconds


def _refuse(field: str, fault: str, fix: str) -> NoReturn:
    raise Refused(f"{field} {fault}.", kind="invalid", code="invalid-row", field=field, fix=fix)


def _text(raw: Mapping[Any, Any], field: str) -> str | None:
    value = raw.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        _refuse(field, "is not a text", f"Send `{field}` as a text or a number.")
    text = str(value).strip()
    if len(text) > _LONGEST:
        _refuse(field, f"is longer than {_LONGEST} characters", "Shorten it.")
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        _refuse(field, "has a character that no text has", "Send it as valid UTF-8 without NUL.")
    return text or None


def _external_id(raw: Mapping[Any, Any]) -> tuple[str | None, str | None]:
    """The lead's id, in the spelling by which capture knows it too, and as it is written."""
    written, value = _text(raw, "external_id"), raw.get("external_id")
    if written is None or isinstance(value, str):
        return written and clean_token(written), written
    digits = digits_of(value)  # type: ignore[arg-type]  # `_text` refused what is no number
    if digits is None:
        _refuse("external_id", "is a number too long to be exact", "Send it in quotes, so that no digit is lost.")
    return digits, written


def _money(raw: Mapping[Any, Any], unit_currency: str) -> dict[str, str]:
    money: dict[str, str] = {}
    currency = _text(raw, "currency")
    if currency is not None:
        if len(currency) != 3 or not (currency.isascii() and currency.isalpha()):
            _refuse("currency", "is no currency code", "Send an ISO 4217 code such as EUR.")
        money["currency"] = currency.upper()
    if raw.get("amount") not in (None, ""):
        amount = normal_amount(raw["amount"])
        if amount is None:
            _refuse("amount", "is no amount", "Send a decimal with a point, such as 1234.50.")
        money["amount"] = amount
        money.setdefault("currency", unit_currency)
    if raw.get("cost") not in (None, ""):
        cost = normal_amount(raw["cost"])
        if cost is None:
            _refuse("cost", "is no amount", "Send a decimal with a point, such as 1234.50.")
        money["cost"] = cost
    return money


def _not_less_than_nothing(values: Mapping[str, str]) -> None:
    for name in ("amount", "cost"):
        if values.get(name, "").startswith("-"):
            _refuse(name, "is less than nothing", "Tell what was paid back as order_refunded, by how much it was.")


def _lines(raw: Any) -> list[Line]:
    """What was sold: a list of objects, or the same as text."""
    if raw in (None, "", []):
        return []
    try:
        told = json.loads(raw) if isinstance(raw, str) else raw
        return [_line(one) for one in told]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        _refuse(
            "lines", "are no product lines", 'Send [{"product": …, "quantity": …, "unit_price": …, "discount": …}].'
        )


def _line(raw: Mapping[str, Any]) -> Line:
    named = {
        name: normal_amount(raw[name]) for name in ("quantity", "unit_price", "discount") if raw.get(name) is not None
    }
    product = _text(raw, "product")
    if product is None or None in named.values() or "unit_price" not in named:
        raise ValueError("a line has a product and a unit_price, and nothing but amounts beside it")
    line = {"product": product, "quantity": "1", **{name: text for name, text in named.items() if text is not None}}
    if float(line["quantity"]) <= 0 or not 0 <= float(line.get("discount", "0")) <= 1:
        raise ValueError("a line has more than none of its product, for a share of its price")
    return line


def _satisfaction(event: str, values: Mapping[str, str]) -> None:
    scale = values.get("kind", "csat")
    if scale not in SCALES:
        _refuse("kind", "is no scale of satisfaction", f"Send one of: {', '.join(SCALES)}, or none for csat.")
    if event == "satisfaction_asked" or "value" not in values:
        return
    lowest, highest = SCALES[scale]
    try:
        answer = float(values["value"])
    except ValueError:
        answer = -1.0
    if not lowest <= answer <= highest:
        _refuse("value", f"is no answer from {lowest} to {highest}", "Send the number that was answered.")


class When(NamedTuple):
    """A moment, and as it was said: without a zone where none was."""

    at: datetime
    said: datetime


def _time(raw: Mapping[Any, Any], field: str, zone: ZoneInfo) -> When | None:
    text = _text(raw, field)
    if text is None:
        return None
    try:
        said = datetime.fromisoformat(text)
        at = (said.replace(tzinfo=zone) if said.tzinfo is None else said).astimezone(UTC)
    except (ValueError, OverflowError):
        _refuse(field, "is no time", "Send ISO 8601, such as 2026-03-01T09:30:00+01:00 or 2026-03-01.")
    if not EARLIEST <= at < LATEST:
        _refuse(field, f"is not from {EARLIEST.year} to {LATEST.year - 1}", "Send a year of the Gregorian calendar.")
    return When(at, said if said.tzinfo is None else at)
