"""A person as it was known at any moment: what it did, since when we knew, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.scoring.domain.marks import counting_under, with_captures
from services.scoring.domain.outcomes import Outcome
from services.scoring.domain.touches import Touch
from shared.contracts.marks import Mark, Marking, of_group


class Member(NamedTuple):
    """One of the ids a person is known under."""

    lead_id: UUID
    root_id: UUID
    business_unit: str
    merged_into: UUID | None = None
    merged_at: datetime | None = None


class History(NamedTuple):
    """One person. Each touch is known from when both it and whose it is were known; None where nobody knows since when.
    `mark` says why the person is held out."""

    root_id: UUID
    business_unit: str
    touches: tuple[Touch, ...]
    outcomes: tuple[Outcome, ...]
    mark: Mark | None = None

    @property
    def teaches(self) -> bool:
        """Whether anything can be learned from it: a real person of whom is known what was known when."""
        return self.mark is None and all(one.known_at is not None for one in self.touches)

    @property
    def imported(self) -> bool:
        """Whether any of it was taken over from another system, which may have filled it in later."""
        return any(one.historical for one in self.touches)

    def known_by(self, moment: datetime) -> list[Touch]:
        """What had happened and was known at a moment."""
        return [
            one
            for one in self.touches
            if one.occurred_at <= moment and one.known_at is not None and one.known_at <= moment
        ]


def history_of(
    members: Sequence[Member], touches: Mapping[UUID, Sequence[Touch]], outcomes: Mapping[UUID, Sequence[Outcome]]
) -> History:
    """A person from everything under its ids. What was recorded under an id that was merged later is known of the person
    from the merge on; what is held out as a test or as spam is left out, as it is from scores, and what was released
    counts from the release on, since scores left it out before."""
    by_id = {member.lead_id: member for member in members}
    root = by_id[members[0].root_id]
    markings = {
        member.lead_id: _marking(touches.get(member.lead_id, ()), outcomes.get(member.lead_id, ()))
        for member in members
    }
    known: list[Touch] = []
    for member in members:
        joined_at = _joined_at(member, by_id)
        did, marking = touches.get(member.lead_id, ()), markings[member.lead_id]
        release = _release(did, outcomes.get(member.lead_id, ()))
        known += [
            _known_from(_known_from(one, joined_at), release.counts_from(one)) for one in counting_under(marking, did)
        ]
    came = [one for member in members for one in outcomes.get(member.lead_id, ())]
    captured = [
        markings[member.lead_id]
        for member in members
        if any(one.kind is None for one in touches.get(member.lead_id, ()))
    ]
    return History(root.lead_id, root.business_unit, tuple(known), tuple(came), of_group(captured))


class Release(NamedTuple):
    """When somebody last said that a mark was a mistake, and whether the whole id was held out until then, or only what was
    captured under a mark."""

    at: datetime | None = None
    of_all: bool = False

    def counts_from(self, touch: Touch) -> datetime | None:
        """Since when a touch counts because of it; None for one that counted before."""
        return self.at if self.of_all or touch.mark is not None else None


def _release(touches: Sequence[Touch], outcomes: Sequence[Outcome]) -> Release:
    words = sorted((one for one in outcomes if one.kind == "marked"), key=lambda one: one.version or 0)
    if not words or words[-1].mark is not None:
        return Release()
    said_at = words[-1].known_at
    before = [one for one in touches if one.known_at is None or one.known_at < said_at]
    return Release(said_at, _marking(before, words[:-1]).mark is not None)


def _known_from(touch: Touch, moment: datetime | None) -> Touch:
    """A touch that says nothing before a moment; None for one that said it at once. Who is not known to have been known
    since when stays so."""
    if moment is None or touch.known_at is None or touch.known_at >= moment:
        return touch
    return touch._replace(known_at=moment)


def _joined_at(member: Member, by_id: Mapping[UUID, Member]) -> datetime | None:
    """When the last merge happened on the way from an id to the person it belongs to."""
    moments: list[datetime] = []
    seen: set[UUID] = set()
    following: Member | None = member
    while following is not None and following.lead_id != following.root_id and following.lead_id not in seen:
        seen.add(following.lead_id)
        if following.merged_at is not None:
            moments.append(following.merged_at)
        following = by_id.get(following.merged_into or following.root_id)
    return max(moments, default=None)


def _marking(touches: Sequence[Touch], outcomes: Sequence[Outcome]) -> Marking:
    marking = with_captures(Marking(), touches)
    for said in outcomes:
        if said.kind == "marked":
            marking = marking.said(said.mark, said.version or 0)
    return marking
