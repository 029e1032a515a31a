"""Who is to be forgotten, of what, and up to when. What was recorded by then stays forgotten however often it is read;
what a person says afterwards is a new beginning."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.pipeline.domain.facts import Draft
from services.pipeline.domain.refusals import Refused
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.identity import derived_event_id
from shared.contracts.lifecycle_events import PersonalDataErased

_NAMES_SOMEBODY = re.compile(r"@|(?:\d[\s()./-]*){7,}")
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")


class Erased(NamedTuple):
    """That what was recorded under a name, a lead id or an identity token, up to a moment is forgotten."""

    until: datetime
    erasure_id: UUID


class Extension(NamedTuple):
    """Names that turned out to be of somebody who was erased."""

    by: Erased
    lead_ids: frozenset[UUID]
    tokens: frozenset[str]


def names_of(event: LeadCaptured | InteractionRecorded) -> list[str]:
    """Under what an event is known."""
    return [str(event.lead_id), *(one.token for one in event.identities)]


def erased_by(erased: Mapping[str, Erased], names: Iterable[str], recorded_at: datetime) -> Erased | None:
    """The latest erasure that reaches what was recorded then under one of these names."""
    reaching = (one for name in names if (one := erased.get(name)) is not None and recorded_at <= one.until)
    return max(reaching, default=None)


def forgotten(by: Erased) -> Draft:
    """That a lead's personal data was erased, in its story. Deciding it again names the same event."""
    event_id = derived_event_id(by.erasure_id, "PersonalDataErased")
    return Draft(PersonalDataErased, event_id, by.until, by.erasure_id, None, {})


def check_reason(reason: str) -> None:
    """Refuses a reason that would keep what is to be erased."""
    if _NAMES_SOMEBODY.search(_DATE.sub("", reason)):
        raise Refused(
            "reason seems to have an address or a number in it, and it is kept.",
            kind="invalid",
            code="personal-reason",
            field="reason",
            fix="Name the request by its case number in your own system, not the person.",
        )
