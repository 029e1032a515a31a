"""What a model looks at: a lead as it was known at a moment, as named values. The same when it is learned and when it is
asked, so that a model is asked about nothing else than what it was taught.

Days are whole and in UTC, as they are for rules. What never happened is absent, which a model reads as a value of its own.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from services.scoring.domain.model.values import Cell
from services.scoring.domain.rulebook import sorted_out
from services.scoring.domain.touches import Touch, day_of, in_order

FEATURES_VERSION = 1
"""What the names below mean. A model that was taught another meaning is refused, so whoever changes one raises this."""

ATTRIBUTE, CONSENT, DID = "attributes.", "consent.", "did."

FIRST_KNOWN = ("channel", "source", "medium", "campaign")
"""How a lead came: as its first capture that says so had it."""

LATEST_KNOWN = ("job_title", "country", "language", "product")
PRESENCES = ("email", "phone", "company")
COUNTS = (
    "captures", "interactions", "active_days", "last_7_days", "last_30_days", "days_since_last", "age_days", "minutes",
)  # fmt: skip
FIELDS_KNOWN = "fields_known"
_PROFILE = (*FIRST_KNOWN[1:], *LATEST_KNOWN, *PRESENCES)
ALWAYS = ("business_unit", *FIRST_KNOWN, *LATEST_KNOWN, *PRESENCES, *COUNTS, FIELDS_KNOWN)
"""The features every lead has, beside its attributes, consents and what it did."""


class LateTouch(Exception):
    """A touch is among the features that was not known at their moment. Nothing is learned, or said, from such."""


class FeatureReader:
    """The features with these names, or all there are, ready to be read of many leads."""

    def __init__(self, names: Collection[str] | None = None) -> None:
        self._all = names is None
        wanted = frozenset(names or ALWAYS)
        self._first = [name for name in FIRST_KNOWN if name in wanted]
        self._latest = [name for name in LATEST_KNOWN if name in wanted]
        self._attributes = [(name, name[len(ATTRIBUTE) :]) for name in sorted(wanted) if name.startswith(ATTRIBUTE)]
        self._consents = [(name, name[len(CONSENT) :]) for name in sorted(wanted) if name.startswith(CONSENT)]
        self._did = [(name, name[len(DID) :]) for name in sorted(wanted) if name.startswith(DID)]
        self._counts = not wanted.isdisjoint(COUNTS)
        self._fields = FIELDS_KNOWN in wanted

    def read(self, business_unit: str, touches: Sequence[Touch], as_of: datetime) -> dict[str, Cell]:
        """A lead's features at a moment. Raises `LateTouch` for a touch that had not happened or was not known then."""
        for one in touches:
            if one.occurred_at > as_of or (one.known_at is not None and one.known_at > as_of):
                raise LateTouch(f"a touch of {max(one.occurred_at, one.known_at or one.occurred_at)} at {as_of}")
        ledger = sorted_out(touches)
        captures = ledger.captures if len(ledger.captures) < 2 else sorted(ledger.captures, key=in_order)
        found: dict[str, Cell] = {"business_unit": business_unit}
        self._read_captures(captures, found)
        self._read_interactions(ledger.did, found)
        if self._counts:
            _count(captures, ledger.did, as_of, found)
        if self._fields:
            found[FIELDS_KNOWN] = _fields_known(captures)
        return found

    def _read_captures(self, captures: Sequence[Touch], found: dict[str, Cell]) -> None:
        consents: dict[str, bool] = {}
        for one in captures:
            for name in self._first:
                if name not in found and (value := getattr(one, name)):
                    found[name] = value
            for name in self._latest:
                if value := getattr(one, name):
                    found[name] = value
            for name in PRESENCES:
                if getattr(one, name):
                    found[name] = True
            if one.attributes:
                self._read_attributes(one.attributes, found)
            if one.consents:
                consents.update(one.consents)
        for name in PRESENCES:
            found.setdefault(name, False)
        if self._all:
            found.update({CONSENT + purpose: given for purpose, given in consents.items()})
        else:
            found.update({name: consents[purpose] for name, purpose in self._consents if purpose in consents})

    def _read_attributes(self, attributes: Mapping[str, Cell], found: dict[str, Cell]) -> None:
        if self._all:
            found.update({ATTRIBUTE + name: value for name, value in attributes.items()})
            return
        for name, attribute in self._attributes:
            value = attributes.get(attribute)
            if value is not None:
                found[name] = value

    def _read_interactions(self, did: Mapping[str, Sequence[Touch]], found: dict[str, Cell]) -> None:
        if self._all:
            found.update({DID + kind: len(of_kind) for kind, of_kind in did.items() if of_kind})
            return
        for name, kind in self._did:
            of_kind = did.get(kind)
            if of_kind:
                found[name] = len(of_kind)


def _count(
    captures: Sequence[Touch], did: Mapping[str, Sequence[Touch]], as_of: datetime, found: dict[str, Cell]
) -> None:
    today = day_of(as_of)
    found["captures"] = len(captures)
    days = [day_of(one.occurred_at) for of_kind in did.values() for one in of_kind]
    first = [day_of(captures[0].occurred_at)] if captures else []
    found["age_days"] = today - min(days + first, default=today)
    if not days:
        return
    found["interactions"] = len(days)
    found["active_days"] = len(set(days))
    found["days_since_last"] = today - max(days)
    found["last_7_days"] = sum(today - day < 7 for day in days)
    found["last_30_days"] = sum(today - day < 30 for day in days)
    seconds = _seconds(did.values())
    if seconds:
        found["minutes"] = round(seconds / 60, 1)


def _fields_known(captures: Sequence[Touch]) -> int:
    """How much the lead has told of itself, whichever of it a model looks at."""
    known = {name for one in captures for name in _PROFILE if getattr(one, name)}
    attributes = {name for one in captures for name in one.attributes or ()}
    return len(known) + len(attributes)


def _seconds(did: Iterable[Sequence[Touch]]) -> float:
    return math.fsum(one.duration_seconds or 0.0 for of_kind in did for one in of_kind)
