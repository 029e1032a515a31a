"""Which two leads are shown to somebody as probably one, and which are merged without."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from services.pipeline.domain.matching.comparison import compare
from services.pipeline.domain.matching.person import Person
from services.pipeline.domain.matching.weights import Judgement, judge
from shared.contracts.identity import derived_event_id
from shared.contracts.policy import Matching


@dataclass(frozen=True, slots=True)
class Known:
    """A canonical lead and what is known of the person. `content` is a keyed hash of it, to see that it changed."""

    lead_id: UUID
    business_unit: str
    members: frozenset[UUID]
    person: Person
    content: str
    is_marked: bool = False


class Proposal(NamedTuple):
    """Two leads that are probably one person, the smaller id first, and why. It says nothing of who they are."""

    lead_id: UUID
    other_id: UUID
    business_unit: str
    judgement: Judgement
    is_automatic: bool
    content: str

    @property
    def candidate_id(self) -> UUID:
        """The same two have the same id, whoever finds them."""
        return derived_event_id(self.lead_id, f"candidate:{self.other_id}")


def propose(one: Known, other: Known, rules: Matching, apart: Collection[frozenset[UUID]] = ()) -> Proposal | None:
    """What the two come to under a unit's rules. None where they are too unlike, held out, or were taken apart."""
    if not rules.enabled or one.business_unit != other.business_unit or one.is_marked or other.is_marked:
        return None
    if any(frozenset((mine, theirs)) in apart for mine in one.members for theirs in other.members):
        return None
    judged = judge(compare(one.person, other.person))
    if judged.confidence < rules.review_from:
        return None
    first, second = sorted((one, other), key=lambda known: known.lead_id)
    automatic = rules.automatic and judged.is_enough(rules.merge_from)
    content = f"{first.content}{second.content}"
    return Proposal(first.lead_id, second.lead_id, one.business_unit, judged, automatic, content)


def pairs_of(blocks: Iterable[Collection[UUID]], root: Mapping[UUID, UUID]) -> set[tuple[UUID, UUID]]:
    """Whom to compare, as canonical leads: in each block its first with all the others, nobody with themselves."""
    found: set[tuple[UUID, UUID]] = set()
    for first, *others in blocks:
        for other in others:
            if first in root and other in root and root[first] != root[other]:
                found.add((min(root[first], root[other]), max(root[first], root[other])))
    return found
