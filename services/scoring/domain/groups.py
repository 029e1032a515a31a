"""Which leads are one person, and what a batch of events changes about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.scoring.domain.assessment import Assessment
from services.scoring.domain.judging import Verdict
from services.scoring.domain.scores import Score
from services.scoring.domain.touches import Touch
from shared.contracts.envelope import Event
from shared.contracts.identity import derived_event_id
from shared.contracts.lifecycle_events import LeadMarked, LeadMerged, LeadTouched, LeadUnmerged
from shared.contracts.marks import Mark
from shared.contracts.scoring_events import LeadScored, Likelihood

Place = tuple[UUID, UUID]
"""Where a touch stands in the ledger: the id its lead had when it was recorded, and its event's id."""


class Attachment(NamedTuple):
    """Whose a touch is that was recorded under another id, and since when that is known."""

    lead_id: UUID
    known_at: datetime


def attachment(event: Event) -> Place | None:
    """The touch that pipeline found to be this lead's although it was recorded under another id; mostly None."""
    if not isinstance(event, LeadTouched) or event.recorded_under is None or event.causation_id is None:
        return None
    return None if event.recorded_under == event.lead_id else (event.recorded_under, event.causation_id)


@dataclass(slots=True)
class Lead:
    """What scoring holds about one lead id while a batch works on it. `root_id` is the id its group is scored under,
    its own where it was never merged; `score` is the last one published under this id, from history alone where it is
    `historical`; `customer` is what was told of its becoming one. At `due_at` time changes the score, if nothing else does before. `word` is the last that was said about whether
    it is a test or spam, `word_version` that saying's place in its story, 0 where nothing was said."""

    lead_id: UUID
    business_unit: str
    root_id: UUID
    known: bool = False
    merged_into: UUID | None = None
    merge_version: int = 0
    merge_occurred_at: datetime | None = None
    score: Score | None = None
    assessment: Assessment | None = None
    customer: Assessment | None = None
    scored_occurred_at: datetime | None = None
    scored_at: datetime | None = None
    policy_version: str | None = None
    historical: bool = False
    due_at: datetime | None = None
    word: Mark | None = None
    word_version: int = 0
    stored: bool = False
    changed: bool = False

    def differs(self, verdict: Verdict) -> bool:
        """Whether a verdict says something else than was told last."""
        return (self.score, self.assessment, self.customer) != (
            verdict.judgement.score,
            verdict.assessment,
            verdict.customer,
        )

    def publish(self, event: LeadScored, verdict: Verdict) -> None:
        """Remembers what was just told about this lead."""
        self.score, self.assessment, self.customer = verdict.judgement.score, verdict.assessment, verdict.customer
        self.policy_version = event.policy_version
        self.scored_occurred_at = event.occurred_at
        self.scored_at = event.recorded_at
        self.historical = event.historical
        self.changed = True

    def confirm(self, moment: datetime, policy_version: str) -> None:
        """What was told last still stands, as of a moment and by a policy."""
        if (moment, policy_version) != (self.scored_occurred_at, self.policy_version):
            self.scored_occurred_at, self.policy_version = moment, policy_version
            self.changed = True

    def await_change(self, due_at: datetime | None) -> None:
        """When this lead has to be looked at again although nothing happened."""
        if due_at != self.due_at:
            self.due_at = due_at
            self.changed = True


class Stir(NamedTuple):
    """A group that has to be scored again, and the last event that made it so."""

    root: Lead
    members: tuple[Lead, ...]
    trigger: Event

    @property
    def known(self) -> bool:
        """Whether somebody captured this lead; before, its interactions wait."""
        return any(member.known for member in self.members)


@dataclass(slots=True)
class Work:
    """One batch. Holds the whole group of every lead it touches. `fresh` are the touches the ledger did not have, each
    with the lead it counts for, which is not the one it was recorded under where it was attached to another; `attached`
    are the attachments that were not known before."""

    leads: dict[UUID, Lead]
    fresh: Mapping[Place, UUID]
    attached: Set[Place] = frozenset()
    _taken: set[Place] = field(default_factory=set)
    _attached: set[Place] = field(default_factory=set)
    _triggers: dict[UUID, Event] = field(default_factory=dict)

    def lead(self, lead_id: UUID, business_unit: str) -> Lead:
        """The lead, made on first mention."""
        found = self.leads.get(lead_id)
        if found is None:
            found = self.leads[lead_id] = Lead(lead_id, business_unit, lead_id)
        return found

    def take(self, event: Event) -> bool:
        """Counts a touch in, once. False for one that was counted before."""
        place = event.lead_id, event.event_id
        if place not in self.fresh or place in self._taken:
            return False
        self._taken.add(place)
        owner = self.fresh[place]
        self.lead(owner, event.business_unit)
        self._stir(owner, event)
        return True

    def capture(self, event: Event) -> bool:
        """The lead is known from here on. False where this very event said so before."""
        lead = self.lead(event.lead_id, event.business_unit)
        if not self.take(event):
            return False
        lead.changed = lead.changed or not lead.known
        lead.known = True
        return True

    def interact(self, event: Event) -> bool:
        """The lead, known or not yet, did something. False where this very event said so before."""
        self.lead(event.lead_id, event.business_unit)
        return self.take(event)

    def attach(self, event: LeadTouched, place: Place) -> bool:
        """What was recorded under another id counts for this lead from here on, and for this lead alone, be it in the
        ledger already or not. False for news already known."""
        for lead_id in (place[0], event.lead_id):
            self.lead(lead_id, event.business_unit)
        if place not in self.attached or place in self._attached:
            return False
        self._attached.add(place)
        for lead_id in (place[0], event.lead_id):
            self._stir(lead_id, event)
        return True

    def merge(self, event: LeadMerged) -> bool:
        """Joins the lead's group to another's. False for news this lead's story has already passed."""
        into = self.lead(event.into_lead_id, event.business_unit)
        return self._regroup(event, event.into_lead_id, into.root_id)

    def unmerge(self, event: LeadUnmerged) -> bool:
        """Parts the lead, with whatever was merged into it, from its group. False for news already passed."""
        return self._regroup(event, None)

    def mark(self, event: LeadMarked) -> bool:
        """Somebody said whether the lead is a test or spam. False for news this lead's story has already passed."""
        lead = self.lead(event.lead_id, event.business_unit)
        if event.version <= lead.word_version:
            return False
        lead.word, lead.word_version = event.mark, event.version
        lead.changed = True
        self._stir(lead.lead_id, event)
        return True

    def known_roots(self) -> frozenset[UUID]:
        """The roots of the groups that somebody captured."""
        return frozenset(lead.root_id for lead in self.leads.values() if lead.known)

    def stirred(self) -> list[Stir]:
        """The groups to score again, each once, with its last trigger."""
        triggers: dict[UUID, Event] = {}
        for lead_id, trigger in self._triggers.items():
            triggers[self.leads[lead_id].root_id] = trigger
        members: dict[UUID, list[Lead]] = {}
        for lead in self.leads.values():
            members.setdefault(lead.root_id, []).append(lead)
        return [Stir(self.leads[root], tuple(members[root]), trigger) for root, trigger in triggers.items()]

    def _regroup(self, event: LeadMerged | LeadUnmerged, into: UUID | None, *also: UUID) -> bool:
        lead = self.lead(event.lead_id, event.business_unit)
        if event.version <= lead.merge_version:
            return False
        affected = {lead.root_id, *also}
        lead.merged_into, lead.merge_version, lead.merge_occurred_at = into, event.version, event.occurred_at
        lead.changed = True
        members = [member for member in self.leads.values() if member.root_id in affected]
        roots = resolved_roots({member.lead_id: member.merged_into for member in members})
        for member in members:
            root_id = roots[member.lead_id]
            member.changed = member.changed or member.root_id != root_id
            member.root_id = root_id
            if root_id != member.lead_id:
                member.await_change(None)
            self._stir(root_id, event)
        return True

    def _stir(self, lead_id: UUID, event: Event) -> None:
        self._triggers.pop(lead_id, None)
        self._triggers[lead_id] = event


def resolved_roots(merged_into: Mapping[UUID, UUID | None]) -> dict[UUID, UUID]:
    """The end of each lead's chain of merges. Leads merged in a ring have the smallest id of the ring as their root, so
    that news arriving in another order ends the same."""
    roots: dict[UUID, UUID] = {}
    for start in merged_into:
        path: list[UUID] = []
        at = start
        while at not in roots and at not in path:
            path.append(at)
            following = merged_into.get(at)
            if following is None:
                break
            at = following
        if at in roots:
            root = roots[at]
        elif merged_into.get(at) is not None:
            root = min(path[path.index(at) :])
        else:
            root = at
        roots.update(dict.fromkeys(path, root))
    return roots


def rests_on(root: Lead, members: Iterable[Lead], touches: Iterable[Touch]) -> datetime | None:
    """The latest of what a group's score rests on: the touches it counts, the merges, and the score it takes the place
    of, so that whoever reads by time has the same last word. The stored score is that as of this moment."""
    moments = [touch.occurred_at for touch in touches]
    moments += [member.merge_occurred_at for member in members if member.merge_occurred_at is not None]
    if root.scored_occurred_at is not None:
        moments.append(root.scored_occurred_at)
    return max(moments, default=None)


def scored_moment(stir: Stir, touches: Iterable[Touch]) -> datetime:
    """When a group's new score happened: with the latest of its causes, its trigger among them."""
    rest = rests_on(stir.root, stir.members, touches)
    return stir.trigger.occurred_at if rest is None else max(rest, stir.trigger.occurred_at)


def score_event(
    stir: Stir,
    verdict: Verdict,
    occurred_at: datetime,
    *,
    policy_version: str,
    recorded_at: datetime,
) -> LeadScored | None:
    """What to tell about a group that was scored again; None where what was last told of it still stands.

    Its id names trigger and group: one event can stir two groups, and two leads can have an event of one id.
    """
    if not stir.root.differs(verdict):
        return None
    trigger = stir.trigger
    return LeadScored(
        event_id=derived_event_id(trigger.event_id, f"LeadScored:{trigger.lead_id}:{stir.root.lead_id}"),
        lead_id=stir.root.lead_id,
        business_unit=stir.root.business_unit,
        occurred_at=occurred_at,
        recorded_at=recorded_at,
        correlation_id=trigger.correlation_id,
        causation_id=trigger.event_id,
        historical=trigger.historical,
        policy_version=policy_version,
        **_told(verdict),
    )


def uncaused_event(
    root: Lead, verdict: Verdict, occurred_at: datetime, *, why: str, policy_version: str, recorded_at: datetime
) -> LeadScored:
    """What to tell about a lead whose score changed although nothing happened to it. Its id names everything it says, so
    that deciding it again, knowing the same, is the same event."""
    says = LeadScored(
        event_id=root.lead_id,
        lead_id=root.lead_id,
        business_unit=root.business_unit,
        occurred_at=occurred_at,
        recorded_at=occurred_at,
        correlation_id=root.lead_id,
        historical=root.historical,
        policy_version=policy_version,
        **_told(verdict),
    )
    event_id = derived_event_id(root.lead_id, f"LeadScored:{why}:{says.to_json().decode()}")
    return says.model_copy(update={"event_id": event_id, "correlation_id": event_id, "recorded_at": recorded_at})


def _told(verdict: Verdict) -> dict[str, Any]:
    """A verdict as an event tells it."""
    score, assessment, customer = verdict.judgement.score, verdict.assessment, verdict.customer
    return {
        "score": score.score,
        "grade": score.grade,
        "rating": score.rating,
        "temperature": score.temperature,
        "segments": verdict.judgement.segments or None,
        "fit": score.fit,
        "engagement": score.engagement,
        "reasons": score.reasons,
        "model_version": assessment.model_version if assessment is not None else None,
        "probability": assessment.probability if assessment is not None else None,
        "contributions": assessment.contributions if assessment is not None else None,
        "without_model": verdict.silence,
        "customer": Likelihood(**customer._asdict()) if customer is not None else None,
    }
