"""What time alone does to a score: the changes that have come to pass, each at the midnight at which it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.scoring.domain.assessment import Case
from services.scoring.domain.groups import Lead, rests_on, uncaused_event
from services.scoring.domain.judging import Judge
from services.scoring.domain.marks import counting
from services.scoring.domain.touches import Touch, in_order, known_at
from shared.contracts.scoring_events import LeadScored

MOST = 1_000
"""More changes than any one lead's points can make on their way to nothing."""


class Person(NamedTuple):
    """A lead, everybody merged into it, everything they did, and what of that counts: not what is marked as a test or as
    spam."""

    root: Lead
    members: Sequence[Lead]
    touches: Sequence[Touch]
    counting: Sequence[Touch]

    @classmethod
    def of(cls, root: Lead, members: Sequence[Lead], ledgers: Mapping[UUID, Sequence[Touch]]) -> Person:
        """From the ledgers of the members."""
        if len(members) == 1:
            did = ledgers.get(members[0].lead_id, ())
            return cls(root, members, did, counting(members[0], did))
        touches: list[Touch] = []
        counted: list[Touch] = []
        for member in members:
            did = ledgers.get(member.lead_id, ())
            touches += did
            counted += counting(member, did)
        return cls(root, members, touches, counted)

    def left_out(self, as_of: datetime) -> list[UUID]:
        """What had happened by then and does not count, in order."""
        counted = {(one.lead_id, one.event_id) for one in self.counting}
        touches = sorted(known_at(self.touches, as_of), key=in_order)
        return [one.event_id for one in touches if (one.lead_id, one.event_id) not in counted]

    @property
    def known(self) -> bool:
        """Whether somebody captured this lead."""
        return any(member.known for member in self.members)

    @property
    def is_whole(self) -> bool:
        """Whether the lead is scored under its own id."""
        return self.root.root_id == self.root.lead_id


def pass_time(person: Person, judge: Judge, now: datetime) -> list[LeadScored]:
    """What has to be told of a lead up to now, in order, and remembered as told. Afterwards the lead awaits its next
    change, or none. Whoever does the same again makes the same events, under the same ids.

    A lead that was scored under another version of the policy is scored anew under this one at the first moment that it
    waited for, and goes on from there.
    """
    root = person.root
    told: list[LeadScored] = []
    if not person.known or not person.is_whole:
        root.await_change(None)
        return told
    while root.due_at is not None and root.due_at <= now and len(told) < MOST:
        moment = root.due_at
        rest = rests_on(root, person.members, person.touches)
        moment = moment if rest is None else max(moment, rest)
        [verdict] = judge.verdicts([Case(root.business_unit, person.counting, moment)])
        if root.differs(verdict):
            event = uncaused_event(
                root, verdict, moment, why="time", policy_version=judge.policy.version, recorded_at=now
            )
            root.publish(event, verdict)
            told.append(event)
        else:
            root.confirm(moment, judge.policy.version)
        root.await_change(verdict.judgement.changes_at)
    return told


def score_anew(person: Person, judge: Judge, asked_at: datetime, now: datetime) -> LeadScored | None:
    """A lead by the present policy, as of the moment somebody asked for that. None where nothing has to be told."""
    root = person.root
    if not person.known:
        return None
    rest = rests_on(root, person.members, person.touches)
    moment = asked_at if rest is None else max(asked_at, rest)
    [verdict] = judge.verdicts([Case(root.business_unit, person.counting, moment)])
    root.await_change(verdict.judgement.changes_at)
    version = judge.policy.version
    if root.differs(verdict):
        event = uncaused_event(root, verdict, moment, why="rescore", policy_version=version, recorded_at=now)
        root.publish(event, verdict)
        return event
    if root.policy_version != version:
        root.confirm(moment, version)
    return None
