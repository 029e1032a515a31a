"""What a captured lead, an interaction and a score become in a lead's story."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from services.pipeline.domain.facts import Draft, given
from services.pipeline.domain.matching.person import ATTRIBUTES
from services.pipeline.domain.state import CAPTURED, RETURNED
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.envelope import Event
from shared.contracts.identity import derived_event_id
from shared.contracts.lifecycle_events import ConsentChanged, LeadCreated, LeadGraded, LeadTouched
from shared.contracts.scoring_events import LeadScored


def created(event: LeadCaptured, fingerprint: str, *, returned: bool = False) -> Draft:
    """The beginning of a story; under an id of somebody who has `returned`, of no new lead."""
    data: dict[str, Any] = {"implied": True} if returned else {}
    _tell(data, event)
    _tell_contacts(data, event)
    cause = event.event_id
    event_id = derived_event_id(cause, "LeadCreated")
    return Draft(LeadCreated, event_id, happened_at(event), event.correlation_id, cause, data, fingerprint)


def touched(
    event: LeadCaptured | InteractionRecorded, lead_id: UUID, fingerprint: str, *, returned: bool = False
) -> Draft:
    """One more touch of a known lead, whichever id it was recorded under. What it was about is the sender's text: it may name
    somebody, so it stays beside the story."""
    data: dict[str, Any] = {"kind": RETURNED if returned else _kind(event)}
    if lead_id is not event.lead_id and lead_id != event.lead_id:
        data["recorded_under"] = str(event.lead_id)
    _tell(data, event)
    if isinstance(event, LeadCaptured):
        _tell_contacts(data, event)
    else:
        if event.retracts is not None:
            data["retracts"] = str(event.retracts)
        if event.kind == "email_bounce" and event.mark is None and (event.outcome or "").casefold() == "hard":
            data["undeliverable"] = True
    cause = event.event_id
    event_id = derived_event_id(cause, "LeadTouched")
    about = {"value": event.value} if isinstance(event, InteractionRecorded) and event.value is not None else None
    return Draft(LeadTouched, event_id, happened_at(event), event.correlation_id, cause, data, fingerprint, about)


def known_no_more(draft: Draft) -> Draft:
    """A capture from before an erasure: nobody is known again by it."""
    return draft._replace(data={name: value for name, value in draft.data.items() if name != "contacts"})


def happened_at(event: Event) -> datetime:
    """When it was, in the zone of all facts: the parser gives each moment a zone of its own, and two of one zone are compared in a
    tenth of the time. A story is compared at every step."""
    return event.occurred_at.astimezone(UTC)


def _tell(data: dict[str, Any], event: LeadCaptured | InteractionRecorded) -> None:
    """Adds what `given` would leave of these fields, at a third of its cost: every captured event comes by here."""
    data["sender"] = event.sender
    data["channel"] = event.channel
    if event.source is not None:
        data["source"] = event.source
    if event.medium is not None:
        data["medium"] = event.medium
    if event.campaign is not None:
        data["campaign"] = event.campaign
    if event.product is not None:
        data["product"] = event.product
    if event.flags:
        data["flags"] = event.flags
    if event.mark is not None:
        data["mark"] = event.mark
    if event.mark_reasons:
        data["mark_reasons"] = event.mark_reasons
    if event.historical:
        data["historical"] = True


def _tell_contacts(data: dict[str, Any], event: LeadCaptured) -> None:
    """Of what there is a valid one: capture keeps no other. Of whom nothing is told any more nobody knows."""
    who = event.personal
    if who is not None:
        data["contacts"] = [kind for kind, value in (("email", who.email), ("phone", who.phone)) if value]


def _kind(event: LeadCaptured | InteractionRecorded) -> str:
    if not isinstance(event, InteractionRecorded):
        return CAPTURED
    return event.kind if event.kind != CAPTURED else "interaction"  # the word is ours: it counts as a creation


_SAID_BY_ALL = itemgetter(
    "event", "lead_id", "sender", "channel", "identities", "source", "medium", "campaign", "content", "term", "product", "attributes",
)  # fmt: skip


def said(event: LeadCaptured | InteractionRecorded) -> list[Any]:
    """All that the sender said, to tell a repetition from a contradiction: the times Leadflow adds by itself are left out."""
    words: list[Any] = [*_SAID_BY_ALL(vars(event))]
    words[4] = [one.token for one in event.identities]
    who = event.personal
    if who is not None:
        words += [who.name, who.email, who.phone, who.message, who.external_id]
    if isinstance(event, LeadCaptured):
        words += [event.company, event.job_title, event.country, event.language]
        words += [[one.purpose, one.granted, one.lawful_basis] for one in event.consents]
    else:
        words += [event.kind, event.value]
    return words


def consents(event: LeadCaptured) -> list[Draft]:
    """Each permission that was given or refused with a lead."""
    return [
        Draft(
            ConsentChanged,
            derived_event_id(event.event_id, f"ConsentChanged:{place}"),
            one.given_at or event.occurred_at,
            event.correlation_id,
            event.event_id,
            {
                "purpose": one.purpose,
                "granted": one.granted,
                **given(
                    lawful_basis=one.lawful_basis,
                    text_version=one.text_version,
                    mark=event.mark,
                    historical=event.historical,
                ),
            },
            aside=given(proof=one.proof),
        )
        for place, one in enumerate(event.consents)
    ]


def refusal(event: InteractionRecorded, purpose: str) -> Draft:
    """By an interaction somebody said that they want no more e-mail. Only they themselves, or who asks them, can permit it again."""
    event_id = derived_event_id(event.event_id, "ConsentChanged")
    data = {"purpose": purpose, "granted": False, **given(mark=event.mark, historical=event.historical)}
    proof = {"proof": f"by the interaction {event.kind} {event.event_id}"}
    occurred_at, correlation_id, cause = event.occurred_at, event.correlation_id, event.event_id
    return Draft(ConsentChanged, event_id, occurred_at, correlation_id, cause, data, aside=proof)


def graded(event: LeadScored) -> Draft:
    """Scoring's verdict as part of the story."""
    data = {
        "score": event.score,
        "grade": event.grade,
        "policy_version": event.policy_version,
        **given(historical=event.historical, probability=event.probability),
    }
    cause = event.event_id
    event_id = derived_event_id(cause, "LeadGraded")
    return Draft(LeadGraded, event_id, happened_at(event), event.correlation_id, cause, data)


KEPT_ATTRIBUTES = (*ATTRIBUTES, "time_zone")
"""What is kept of attributes: what recognises a person, and when it is day where they are."""


def personal(event: LeadCaptured) -> dict[str, Any]:
    """Who the lead is, as far as this record says, and what was sent and probably meant where that is something else."""
    known: dict[str, Any] = given(
        company=event.company, job_title=event.job_title, country=event.country, language=event.language
    )
    if event.attributes:
        known |= {name: event.attributes[name] for name in KEPT_ATTRIBUTES if name in event.attributes}
    who = event.personal
    if who is None:
        as_sent, suggestions = event.as_sent, event.suggestions
    else:
        named = given(name=who.name, email=who.email, phone=who.phone, message=who.message)
        known = {**(who.click_ids or {}), **named, **known}
        as_sent, suggestions = _both(event.as_sent, who.as_sent), _both(event.suggestions, who.suggestions)
    return {**known, **given(as_sent=as_sent, suggestions=suggestions)}


def _both(plain: dict[str, str] | None, personal: dict[str, str] | None) -> dict[str, str] | None:
    """What is told of all fields, personal or not."""
    return {**(plain or {}), **(personal or {})} if plain or personal else None
