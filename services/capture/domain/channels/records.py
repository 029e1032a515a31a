"""What adapters share in making drafts: one record by the endpoint's mapping, answers as texts, marks, times, and whatever
was not understood: no part of what a sender proved is passed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import cast

from services.capture.domain.channels.filling import filled, text, without
from services.capture.domain.channels.terms import Draft
from services.capture.domain.faults import Fault, describe
from shared.contracts.policy import Endpoint

DETAILS_PENDING = "details_pending"
"""The sender told of a lead and not yet what it said."""

UNKNOWN_EVENT = "unknown_event"
"""The endpoint's `events` do not say what this is."""

UNREAD = "unread_parts"
"""Something in the record is not as its sender documents it. It is kept as it came, in the attribute `<sender>_unread`."""

LEAD = "lead"
MAX_FAULTS = 20
_NOTHING: tuple[object, ...] = (None, "", [], {})


def draft(
    record: Mapping[str, object],
    endpoint: Endpoint,
    *,
    event: str,
    key: str | None,
    flags: Iterable[str] = (),
    usually: str = LEAD,
    is_test: bool = False,
) -> Draft:
    """One record. The endpoint's `events` say which of the sender's events are leads and which are interactions of some
    kind; what they do not name is what it `usually` is where they name nothing, else an interaction, flagged."""
    body = filled(record, endpoint)
    meant = endpoint.events.get(event)
    noted = list(flags)
    if meant is None:
        meant = usually
        if endpoint.events and usually == LEAD:
            meant = text(body.get("kind")) or event or "unknown"
            noted.append(UNKNOWN_EVENT)
    if meant == LEAD:
        return Draft("lead", body, key, tuple(noted), is_test)
    return Draft("interaction", {**body, "kind": meant}, key, tuple(noted), is_test)


def add(record: dict[str, object], name: str, value: object) -> None:
    """Puts an answer into a record, under its name; beside what is there already under that name."""
    place, number = name, 1
    while record.get(place) not in (None, ""):
        place = f"attributes.{name}" if number == 1 else f"attributes.{name}_{number}"
        number += 1
    record[place] = value


def objects(value: object) -> list[Mapping[str, object]] | None:
    """The value as a list of objects, or None where it is something else."""
    if isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        return cast(list[Mapping[str, object]], value)
    return None


def each(value: object, where: str, fix: str, faults: list[Fault]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The objects of a list that has to be there, each with its place. What is something else is a fault."""
    if not isinstance(value, list):
        why = "is missing" if value is None else f"is {describe(value)}, not a list"
        faults.append(Fault(where, why, fix))
        return
    for place, one in enumerate(value):
        if isinstance(one, Mapping):
            yield f"{where}[{place}]", one
        elif len(faults) < MAX_FAULTS:
            faults.append(Fault(f"{where}[{place}]", f"is {describe(one)}, not an object", fix))


def parts(value: object, where: str, fix: str, faults: list[Fault]) -> tuple[list[Mapping[str, object]], list[object]]:
    """The objects of a list within a record, and what else is in it. That there is none is fine; that something else stands
    where it should is a fault."""
    if value is None:
        return [], []
    if not isinstance(value, list):
        faults.append(Fault(where, f"is {describe(value)}, not a list", fix))
        return [], []
    return [one for one in value if isinstance(one, Mapping)], [one for one in value if not isinstance(one, Mapping)]


def keep_unread(record: dict[str, object], sender: str, unread: list[object]) -> list[str]:
    """Puts what could not be read into the record as it came; the flag that says so."""
    if not unread:
        return []
    record[f"attributes.{sender}_unread"] = unread
    return [UNREAD]


def rest(
    document: Mapping[str, object], sender: str, *, texts: Iterable[str] = (), read: Iterable[str] = ()
) -> dict[str, object]:
    """What nobody read of a document, under the sender's name: all but what is at the paths `read`, and but for `texts` that
    are some. Intake keeps and flags it."""
    left = dict(document)
    for path in read:
        left = without(left, path)
    known = frozenset(texts)
    return {
        f"{sender}_{name}": value
        for name, value in left.items()
        if value not in _NOTHING and not (name in known and not isinstance(value, Mapping | list))
    }


def answers(values: list[object]) -> object:
    """One answer as it is, several as a list, none as None."""
    given = [value for value in values if value not in (None, "")]
    return given[0] if len(given) == 1 else given or None


def unix_moment(value: object, *, per_second: int = 1) -> str | None:
    """ISO 8601 from a Unix time; a text is taken to be a time already."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**33 * per_second:
        return datetime.fromtimestamp(value / per_second, UTC).isoformat()
    return text(value) or None
