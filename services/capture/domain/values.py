"""Values that are not plain text: times, yes and no, countries, permissions, and whatever else a sender attaches."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from math import isfinite

from services.capture.domain.faults import Fault, describe
from services.capture.domain.fields import CONSENT_TEXTS
from services.capture.domain.text import ascii_digits, unstorable
from shared.contracts.tokens import clean_token

CLOCK_SKEW = timedelta(minutes=10)
"""How far in the future a sender's clock may be."""

EARLIEST_YEAR = 1900
MAX_ATTRIBUTES = 200
MAX_ATTRIBUTE_NAME = 200
MAX_ATTRIBUTE_CHARACTERS = 50_000
FEW_ATTRIBUTES = 30
SHORT_ATTRIBUTE = 1_000
MAX_DEPTH = 32
"""How deep lists and objects may be nested, the body itself counted."""

MAX_CONSENTS = 50
MAX_DURATION_SECONDS = 366 * 24 * 3600.0

_YES = frozenset({"true", "yes", "y", "1", "on"})
_NO = frozenset({"false", "no", "n", "0", "off"})
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,59}")


def moment(name: str, value: object, zone: tzinfo, faults: list[Fault]) -> datetime | None:
    """A point in time, UTC. Without an offset it is the unit's local time. None where absent or a fault was added."""
    if value is None or value == "":
        return None
    fix = "Send ISO 8601 with an offset, such as 2026-03-01T09:30:00+01:00 or 2026-03-01T08:30:00Z."
    if not isinstance(value, str):
        faults.append(Fault(name, f"is {describe(value)}, not a time", fix))
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        try:
            parsed = datetime.fromisoformat(ascii_digits(clean_token(value)))
        except ValueError:
            faults.append(Fault(name, "is no date and time in ISO 8601", fix))
            return None
    try:
        at = (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=zone)).astimezone(UTC)
    except (OverflowError, ValueError):
        at = datetime.min.replace(tzinfo=UTC)
    if at.year < EARLIEST_YEAR:
        faults.append(Fault(name, f"is before {EARLIEST_YEAR}", "Send a year of the Gregorian calendar."))
        return None
    return at


def past_moment(name: str, value: object, zone: tzinfo, now: datetime, faults: list[Fault]) -> datetime | None:
    """A point in time that is not in the future, clock skew forgiven."""
    at = moment(name, value, zone, faults)
    if at is not None and at > now + CLOCK_SKEW:
        minutes = int(CLOCK_SKEW.total_seconds() // 60)
        fix = "Send when it happened; check the sender's clock and the offset."
        faults.append(Fault(name, f"is more than {minutes} minutes in the future", fix))
        return None
    return at


def yes_or_no(name: str, value: object, faults: list[Fault]) -> bool | None:
    """True or false, however spelled. None where absent or a fault was added."""
    if value is None or value == "":
        return None
    said = spelled_yes_or_no(value)
    if said is None:
        faults.append(Fault(name, "is neither true nor false", "Send true or false."))
    return said


def spelled_yes_or_no(value: object) -> bool | None:
    """True or false, however spelled; None for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int):
        word = str(value).strip().lower() if isinstance(value, str) or value in (0, 1) else ""
        if word in _YES:
            return True
        if word in _NO:
            return False
    return None


def duration(name: str, value: object, flags: list[str]) -> tuple[float | None, dict[str, object]]:
    """So many seconds, from a number or `mm:ss`. What is no such thing is flagged, and answered as it was sent."""
    if value is None or value == "":
        return None, {}
    seconds: float | None = None
    try:
        if isinstance(value, str):
            parts = [float(part) for part in ascii_digits(value).strip().split(":")]
            if len(parts) <= 3 and all(isfinite(part) and part >= 0 for part in parts):
                seconds = sum(part * 60**place for place, part in enumerate(reversed(parts)))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            seconds = float(value)
    except (ValueError, OverflowError):
        pass
    if seconds is None or not 0 <= seconds <= MAX_DURATION_SECONDS:
        flags.append(f"invalid_{name}")
        return None, {name: value}
    return seconds, {}


def consents(
    value: object, zone: tzinfo, now: datetime, unknown: dict[str, object], faults: list[Fault]
) -> list[dict[str, object]]:
    """Permissions from true, false, an object or a list of objects. Fields nobody knows are put into `unknown`."""
    if value is None or value == "":
        return []
    if not isinstance(value, dict | list):
        granted = yes_or_no("consent", value, faults)
        return [] if granted is None else [{"purpose": "contact", "granted": granted}]
    given = value if isinstance(value, list) else [value]
    if len(given) > MAX_CONSENTS:
        faults.append(Fault("consent", f"has more than {MAX_CONSENTS} entries", "Send one entry per purpose."))
        return []
    read: list[dict[str, object]] = []
    for position, one in enumerate(given):
        place = f"consent[{position}]" if isinstance(value, list) else "consent"
        if not isinstance(one, dict):
            fix = "Send {purpose, granted, lawful_basis, text_version, given_at, proof}."
            faults.append(Fault(place, f"is {describe(one)}, not an object", fix))
            continue
        read.append(_consent(place, one, zone, now, unknown, faults))
    return read


def _consent(
    place: str,
    given: dict[str, object],
    zone: tzinfo,
    now: datetime,
    unknown: dict[str, object],
    faults: list[Fault],
) -> dict[str, object]:
    consent: dict[str, object] = {"purpose": "contact", "granted": True}
    found: list[Fault] = []
    for name, value in given.items():
        if (field := CONSENT_TEXTS.get(name)) is not None:
            text = field.read(value, found)
            if text is not None:
                consent[name] = text
        elif name == "granted":
            granted = yes_or_no(name, value, found)
            if granted is not None:
                consent[name] = granted
        elif name == "given_at":
            at = past_moment(name, value, zone, now, found)
            if at is not None:
                consent[name] = at
        else:
            unknown[f"{place}.{name}"] = value
    faults.extend(Fault(f"{place}.{fault.field}", fault.fault, fault.fix) for fault in found)
    return consent


def check_attributes(attributes: dict[str, object], faults: list[Fault]) -> None:
    """Adds the faults of values that are kept as they are: size, depth, names, characters nothing can store."""
    if _are_plain(attributes):
        return
    if len(attributes) > MAX_ATTRIBUTES:
        fault = f"holds more than {MAX_ATTRIBUTES} fields, unknown fields counted"
        faults.append(Fault("attributes", fault, "Send fewer."))
        return
    characters = 0
    pending: list[tuple[object, int]] = [(attributes, 2)]
    while pending:
        value, depth = pending.pop()
        if type(value) is str:
            characters += len(value) + 2
            if not value.isprintable() and (why := unstorable(value)) is not None:
                faults.append(Fault("attributes", why, "Remove that character or send the text as valid UTF-8."))
                return
        elif isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                faults.append(Fault("attributes", f"is nested deeper than {MAX_DEPTH} levels", "Flatten it."))
                return
            characters += 2
            if isinstance(value, dict):
                for name, inner in value.items():
                    if len(name) > MAX_ATTRIBUTE_NAME:
                        fault = f"has a name longer than {MAX_ATTRIBUTE_NAME} characters"
                        faults.append(Fault("attributes", fault, "Shorten it."))
                        return
                    pending += ((name, depth), (inner, depth + 1))
            else:
                pending += ((inner, depth + 1) for inner in value)
        else:
            characters += 8
            if type(value) is int and not -(2**63) <= value < 2**64:
                faults.append(Fault("attributes", "holds a number beyond 64 bits", "Send it in quotes."))
                return
        if characters > MAX_ATTRIBUTE_CHARACTERS:
            fault = f"holds more than {MAX_ATTRIBUTE_CHARACTERS} characters, unknown fields counted"
            faults.append(Fault("attributes", fault, "Send less, or a link to it."))
            return


def _are_plain(attributes: dict[str, object]) -> bool:
    """Whether these are a few short texts and numbers, as nearly always: then there is nothing to look for."""
    if len(attributes) > FEW_ATTRIBUTES:
        return False
    for name, value in attributes.items():
        if len(name) > MAX_ATTRIBUTE_NAME or not name.isprintable():
            return False
        kind = type(value)
        if kind is str:
            if len(value) > SHORT_ATTRIBUTE or not value.isprintable():  # type: ignore[arg-type, attr-defined]
                return False
        elif kind is int:
            if not -(2**63) <= value < 2**64:  # type: ignore[operator]
                return False
        elif value is not None and kind is not bool and kind is not float:
            return False
    return True


def unknown_field_flag(name: str) -> str:
    """The flag of a field nobody knows. It names the field only where the name cannot be somebody's data."""
    return f"unknown_field:{name}" if _PLAIN_NAME.fullmatch(name) else "unknown_field"
