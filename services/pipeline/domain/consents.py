"""What a person permits: the last word on each purpose, by when it was said."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from services.pipeline.domain.decisions import Act
from services.pipeline.domain.facts import Draft, Fact, given, in_order
from shared.contracts.lifecycle_events import ConsentChanged
from shared.contracts.spelling import one_label, written


def standing(facts: Iterable[Fact], released: Collection[UUID]) -> dict[str, Fact]:
    """The fact that holds for each purpose, by its `one_label`: who withdraws `Newsletter` withdraws `newsletter`. What was granted under a mark holds only for ids that somebody `released`: spam
    with a customer's address permits nothing. A refusal always holds."""
    holds: dict[str, Fact] = {}
    for fact in in_order(facts):
        if fact.event != ConsentChanged.__name__:
            continue
        if fact.data["granted"] and "mark" in fact.data and fact.lead_id not in released:
            continue
        holds[one_label(fact.data["purpose"])] = fact
    return holds


def by_purpose(facts: Iterable[Fact], released: Collection[UUID]) -> dict[str, Fact]:
    """The same by the purposes as they are shown, in order."""
    return dict(sorted((written(fact.data["purpose"]), fact) for fact in standing(facts, released).values()))


def is_refused(facts: Iterable[Fact], purpose: str) -> bool:
    """Whether the last word on a purpose was no."""
    known = standing(facts, ()).get(one_label(purpose))
    return known is not None and not known.data["granted"]


def decide_consent(
    act: Act,
    *,
    purpose: str,
    granted: bool,
    lawful_basis: str | None,
    text_version: str | None,
    proof: str | None,
) -> list[Draft]:
    """Records that a person permits something, or no longer does. Nobody has to be in any state for that."""
    draft = act.draft(ConsentChanged, purpose=written(purpose), lawful_basis=lawful_basis, text_version=text_version)
    return [draft._replace(data={**draft.data, "granted": granted}, aside=given(proof=proof))]


def told(fact: Fact, said: dict[str, Any] | None, recorded_at: datetime) -> dict[str, Any]:
    """A consent as the API shows it, with its proof."""
    return {
        "purpose": fact.data["purpose"],
        "granted": fact.data["granted"],
        "at": fact.occurred_at,
        "recorded_at": recorded_at,
        "lead_id": fact.lead_id,
        "event_id": fact.event_id,
        **{name: fact.data.get(name) for name in ("lawful_basis", "text_version", "actor", "mark")},
        "proof": (said or {}).get("proof"),
    }
