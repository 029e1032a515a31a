"""How an attempt or a task went: in a word of the policy it travels, in anybody's own words it is kept where erasure reaches."""

from __future__ import annotations

from typing import NamedTuple

from services.pipeline.domain.facts import Draft, given
from shared.contracts.policy import UnitPolicy

OTHER = "other"
"""The outcome that travels in place of words that the policy does not have: they may be about somebody."""


class Told(NamedTuple):
    """An outcome as it travels, and the words that stay here."""

    outcome: str | None
    words: str | None = None


def told(unit: UnitPolicy, outcome: str | None) -> Told:
    """An outcome in the policy's own spelling, or `other` and the words."""
    if outcome is None or outcome.casefold() == OTHER:
        return Told(outcome and OTHER)
    known = {one.casefold(): one for one in reversed(unit.outcomes)}.get(outcome.casefold())
    return Told(known) if known is not None else Told(OTHER, outcome)


def worded(unit: UnitPolicy, draft: Draft) -> Draft:
    """What is to be recorded, without words of nobody's list among what travels."""
    found = told(unit, draft.data.get("outcome"))
    if found.outcome == draft.data.get("outcome"):
        return draft
    aside = given(**{**(draft.aside or {}), "outcome": found.words})
    return draft._replace(data={**draft.data, "outcome": found.outcome}, aside=aside or None)
