"""What a captured lead, an interaction and a score become in a lead's story."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.pipeline.domain.facts import Draft, given
from services.pipeline.domain.matching.person import ATTRIBUTES
from services.pipeline.domain.state import CAPTURED, RETURNED
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.identity import derived_event_id
from shared.contracts.lifecycle_events import ConsentChanged, LeadCreated, LeadGraded, LeadTouched
from shared.contracts.scoring_events import LeadScored


def created(event: LeadCaptured, fingerprint: str, *, returned: bool = False) -> Draft:
    """The beginning of a story; under an id of somebody who has `returned`, of no new lead."""
    data = given(
        implied=returned,
        sender=event.sender,
        channel=event.channel,
        source=event.source,
        medium=event.medium,
        campaign=event.campaign,
        product=event.product,
        flags=event.flags,
        mark=event.mark,
        mark_reasons=event.mark_reasons,
        historical=event.historical,
    ) | _contacts(event)
    cause = event.event_id
    event_id = derived_event_id(cause, "LeadCreated")
    return Draft(LeadCreated, event_id, event.occurred_at, event.correlation_id, cause, data, fingerprint)


def touched(
    event: LeadCaptured | InteractionRecorded, lead_id: UUID, fingerprint: str, *, returned: bool = False
) -> Draft:
    """One more touch of a known lead, whichever id it was recorded under. What it was about is the sender's text: it may name
    somebody, so it stays beside the story."""
    data = given(
        kind=RETURNED if returned else _kind(event),
        recorded_under=str(event.lead_id) if lead_id is not event.lead_id and lead_id != event.lead_id else None,
        sender=event.sender,
        channel=event.channel,
        source=event.source,
        medium=event.medium,
        campaign=event.campaign,
        product=event.product,
        flags=event.flags,
        mark=event.mark,
        mark_reasons=event.mark_reasons,
        historical=event.historical,
    ) | (_contacts(event) if isinstance(event, LeadCaptured) else {})
    cause = event.event_id
    event_id = derived_event_id(cause, "LeadTouched")
    about = {"value": event.value} if isinstance(event, InteractionRecorded) and event.value is not None else None
    return Draft(LeadTouched, event_id, event.occurred_at, event.correlation_id, cause, data, fingerprint, about)


def _contacts(event: LeadCaptured) -> dict[str, Any]:
    """Of what there is a valid one: capture keeps no other. Of whom nothing is told any more nobody knows."""
    who = event.personal
    if who is None:
        return {}
    return {"contacts": [kind for kind, value in (("email", who.email), ("phone", who.phone)) if value]}


def _kind(event: LeadCaptured | InteractionRecorded) -> str:
    if not isinstance(event, InteractionRecorded):
        return CAPTURED
    return event.kind if event.kind != CAPTURED else "interaction"  # the word is ours: it counts as a creation


def said(event: LeadCaptured | InteractionRecorded) -> list[Any]:
    """All that the sender said, to tell a repetition from a contradiction: the times Leadflow adds by itself are left out."""
    words: list[Any] = [
        event.event, event.lead_id, event.sender, event.channel, [one.token for one in event.identities], event.source,
        event.medium, event.campaign, event.content, event.term, event.product, event.attributes,
    ]  # fmt: skip
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
    return Draft(LeadGraded, event_id, event.occurred_at, event.correlation_id, cause, data)


def personal(event: LeadCaptured) -> dict[str, Any]:
    """Who the lead is, as far as this record says, and what was sent and probably meant where that is something else."""
    known: dict[str, Any] = given(
        company=event.company, job_title=event.job_title, country=event.country, language=event.language
    )
    if event.attributes:
        known |= {name: event.attributes[name] for name in ATTRIBUTES if name in event.attributes}
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
