"""What adapters share in making drafts: one record by the endpoint's mapping, answers as texts, marks, times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import cast

from services.capture.domain.channels.filling import filled, text
from services.capture.domain.channels.terms import Draft
from shared.contracts.policy import Endpoint

DETAILS_PENDING = "details_pending"
"""The sender told of a lead and not yet what it said."""

UNKNOWN_EVENT = "unknown_event"
"""The endpoint's `events` do not say what this is."""

LEAD = "lead"


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
    record[name if record.get(name) in (None, "") else f"attributes.{name}"] = value


def objects(value: object) -> list[Mapping[str, object]] | None:
    """The value as a list of objects, or None where it is something else."""
    if isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        return cast(list[Mapping[str, object]], value)
    return None


def answers(values: list[object]) -> object:
    """One answer as it is, several as a list, none as None."""
    given = [value for value in values if value not in (None, "")]
    return given[0] if len(given) == 1 else given or None


def unix_moment(value: object, *, per_second: int = 1) -> str | None:
    """ISO 8601 from a Unix time; a text is taken to be a time already."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**33 * per_second:
        return datetime.fromtimestamp(value / per_second, UTC).isoformat()
    return text(value) or None
