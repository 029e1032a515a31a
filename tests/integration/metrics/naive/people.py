"""Who there is, what holds of them when, and what became of their deals: each question answered by going over the whole story again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from services.metrics.domain.facts import Fact
from shared.contracts.identity import derived_event_id

CAPTURES = ("LeadCreated", "LeadTouched")
ABOUT_DEALS = (
    "OpportunityOpened", "OpportunityAssigned", "StageChanged", "AmountChanged", "CloseDateChanged", "OpportunityWon",
    "OpportunityLost",
)  # fmt: skip
PLACES = ("channel", "source", "campaign")
WHO_IS_WHO = ("LeadMerged", "LeadUnmerged")

Cuts = dict[str, str | None]


def place(fact: Fact) -> tuple[datetime, int, UUID, UUID]:
    """Where a fact stands in a story."""
    return fact.occurred_at, fact.version, fact.lead_id, fact.event_id


@dataclass
class Deal:
    """The facts of one deal, in order, and whose they are."""

    name: str
    facts: list[Fact]
    person: Person

    @property
    def opened(self) -> datetime:
        return self.facts[0].occurred_at

    def held(self, upto: int) -> Cuts:
        """Who and what it was about after so many of its facts; what it does not say itself is what its lead says then."""
        return {**self.person.held(self.facts[upto].occurred_at), **self.own(self.facts[: upto + 1])}

    def own(self, facts: list[Fact]) -> Cuts:
        """What these of its facts say of it themselves."""
        own: Cuts = {}
        for fact in facts:
            if fact.event == "OpportunityAssigned":  # the team of whoever had it is not theirs
                own.pop("team", None)
            own |= {name: fact.data[name] for name in ("owner", "team", "product") if fact.data.get(name)}
        return own

    def held_when_opened(self) -> Cuts:
        return self.held(max(i for i, fact in enumerate(self.facts) if fact.occurred_at == self.opened))

    @cached_property
    def moves(self) -> list[tuple[int, str | None]]:
        """Each time it entered a stage, or ended (no stage), by the number of the fact that did it."""
        found: list[tuple[int, str | None]] = []
        for number, fact in enumerate(self.facts):
            last = found[-1][1] if found else None
            is_open = not found or last is not None
            if fact.event == "StageChanged" and (not is_open or fact.data["stage"] != last):
                found.append((number, fact.data["stage"]))
                continue
            if fact.event == "OpportunityOpened" and not found and fact.data.get("stage"):
                found.append((number, fact.data["stage"]))
            elif fact.event in ("OpportunityWon", "OpportunityLost"):
                found.append((number, None))
        return found

    @cached_property
    def end(self) -> int | None:
        """The fact that ended it, where nothing reopened it."""
        return self.moves[-1][0] if self.moves and self.moves[-1][1] is None else None

    @property
    def outcome(self) -> str:
        if self.end is None:
            return "open"
        return "won" if self.facts[self.end].event == "OpportunityWon" else "lost"

    @property
    def closed(self) -> datetime:
        assert self.end is not None
        return self.facts[self.end].occurred_at

    @cached_property
    def stage(self) -> str | None:
        """The stage it is in, or was in last."""
        return next((stage for _, stage in reversed(self.moves) if stage is not None), None)

    def opened_in(self) -> str | None:
        """The stage that it was opened in."""
        first = next(((number, stage) for number, stage in self.moves if stage is not None), None)
        return first[1] if first and self.facts[first[0]].occurred_at == self.opened else None

    def money(self) -> tuple[float | None, str | None]:
        """The last amount known when it ended, or now, and its currency; what a loss says counts where nothing was known."""
        amount, currency = None, None
        for fact in self.facts if self.end is None else self.facts[: self.end + 1]:
            if fact.event != "OpportunityLost" or amount is None:
                amount = amount if fact.data.get("amount") is None else fact.data["amount"]
                currency = fact.data.get("currency") or currency
        return (None if amount is None else float(amount)), currency

    def said(self, name: str) -> Any:
        """The last word on something of it."""
        return next((fact.data[name] for fact in reversed(self.facts) if fact.data.get(name)), None)

    def entered(self) -> dict[str, int]:
        """The fact by which it first entered each stage."""
        found: dict[str, int] = {}
        for number, stage in self.moves:
            if stage is not None:
                found.setdefault(stage, number)
        return found

    def advanced(self, stage: str) -> datetime | None:
        """When it first got further than a stage: into one with a higher place, or, where places are not known, one it had never
        been in; or won."""
        first = self.entered()[stage]
        mine = self.facts[first].data.get("position")
        for index, (number, other) in enumerate(self.moves):
            fact = self.facts[number]
            if number <= first:
                continue
            if other is None:
                if fact.event == "OpportunityWon":
                    return fact.occurred_at
                continue
            theirs = fact.data.get("position")
            seen = {name for _, name in self.moves[:index]}
            later = other not in seen if mine is None or theirs is None else theirs > mine
            if other != stage and later:
                return fact.occurred_at
        return None

    def stays(self) -> list[tuple[str, int, int]]:
        """Each stay in a stage that ended: the stage, and the facts that began and ended it."""
        return [
            (stage, begin, end)
            for (begin, stage), (end, _) in zip(self.moves, self.moves[1:], strict=False)
            if stage is not None
        ]


@dataclass
class Person:
    """One person as known at a moment: the story in order, under one canonical id."""

    root: UUID
    unit: str
    story: list[Fact]
    mark: str | None

    @cached_property
    def source(self) -> Cuts:
        """Of the first touch that names a channel or a source."""
        return self.touches[0][1] if self.touches else dict.fromkeys(PLACES)

    @cached_property
    def touches(self) -> tuple[tuple[datetime, Cuts], ...]:
        """Each time that it came by a channel or from a source."""
        return tuple(
            (fact.occurred_at, {name: fact.data.get(name) or None for name in PLACES})
            for fact in self.story
            if fact.event in CAPTURES and (fact.data.get("channel") or fact.data.get("source"))
        )

    def held(self, at: datetime) -> Cuts:
        """What holds at a moment, that which is set at it included."""
        before = [fact for fact in self.story if fact.occurred_at <= at]
        products = [f.data["product"] for f in before if f.event in CAPTURES and f.data.get("product")]
        assigned = [f.data for f in before if f.event == "LeadAssigned"]
        graded = [f for f in before if f.event == "LeadGraded"]
        graded = [f for f in graded if f.lead_id == self.root] or graded
        return {
            **self.source,
            "product": products[-1] if products else None,
            "owner": assigned[-1]["owner"] if assigned else None,
            "team": (assigned[-1].get("team") or None) if assigned else None,
            "grade": graded[-1].data["grade"] if graded else None,
        }

    @cached_property
    def captures(self) -> list[Fact]:
        """Each time that it was said to have come in."""
        return [
            fact
            for fact in self.story
            if (fact.event == "LeadCreated" and not fact.data.get("implied"))
            or (fact.event == "LeadTouched" and fact.data.get("kind") == "captured")
        ]

    @property
    def created(self) -> datetime:
        return (self.captures or self.story)[0].occurred_at

    @cached_property
    def touched(self) -> datetime:
        touches = [f.occurred_at for f in self.story if f.event in CAPTURES and not f.data.get("implied")]
        return min([self.created, *touches])

    @cached_property
    def qualified(self) -> datetime | None:
        return next((fact.occurred_at for fact in self.story if fact.event == "LeadQualified"), None)

    def archived(self, at: datetime | None = None) -> Fact | None:
        """What put it aside, where nothing took it up again, by all that happened until a moment."""
        found: Fact | None = None
        for fact in self.story:
            if at is not None and fact.occurred_at > at:
                break
            if fact.event == "LeadArchived":
                found = found or fact
            elif fact.event in ("LeadReopened", "LeadQualified", "OrderPlaced", *ABOUT_DEALS):
                found = None
        return found

    def status(self, at: datetime) -> str | None:
        """Where it stands at a moment: nowhere when put aside or sold to."""
        before = [fact for fact in self.story if fact.occurred_at <= at]
        if self.archived(at) or any(fact.event in (*ABOUT_DEALS, "OrderPlaced") for fact in before):
            return None
        if any(fact.event == "LeadQualified" for fact in before):
            return "qualified"
        worked = any(
            fact.event in ("LeadAssigned", "LeadReopened")
            or (fact.event == "ContactAttempted" and fact.data.get("human", True))
            or (fact.event == "LeadTouched" and fact.data.get("moves"))
            for fact in before
        )
        return "working" if worked else "new"

    @cached_property
    def deals(self) -> list[Deal]:
        """By the first fact of each."""
        found: dict[str, Deal] = {}
        for fact in self.story:
            if fact.event in ABOUT_DEALS:
                name = str(fact.data["opportunity_id"])
                found.setdefault(name, Deal(name, [], self)).facts.append(fact)
        return list(found.values())


def everybody(facts: list[Fact], as_of: datetime) -> list[Person]:
    """Everyone there is at a moment. Who is who, and who is no lead, is known of all that is ever said."""
    parents: dict[UUID, tuple[int, UUID | None]] = {}
    own: dict[UUID, list[Fact]] = {}
    for fact in facts:
        own.setdefault(fact.lead_id, []).append(fact)
        if fact.event in WHO_IS_WHO and fact.version > parents.get(fact.lead_id, (0, None))[0]:
            into = UUID(str(fact.data["into_lead_id"])) if fact.event == "LeadMerged" else None
            parents[fact.lead_id] = (fact.version, into)
    groups: dict[UUID, list[UUID]] = {}
    for lead in own:
        groups.setdefault(_root(lead, parents), []).append(lead)
    found = []
    for root, leads in groups.items():
        marks = {lead: _mark(own[lead]) for lead in leads}
        reasons = [mark for lead, (mark, _) in marks.items() if any(f.event not in WHO_IS_WHO for f in own[lead])]
        mark = None if None in reasons or not reasons else "test" if "test" in reasons else "spam"
        ever = [
            fact
            for lead in leads
            if mark or marks[lead][0] is None
            for fact in own[lead]
            if fact.event not in (*WHO_IS_WHO, "LeadMarked")
            and (mark or marks[lead][1] or fact.event not in CAPTURES or not fact.data.get("mark"))
        ]
        never = never_happened(ever)
        others = answers_to_others([fact for lead in leads for fact in own[lead]])
        story = [
            never.get(fact.event_id, fact) for fact in ever if fact.occurred_at <= as_of and fact.event_id not in others
        ]
        if story:
            story.sort(key=place)
            found.append(Person(root, story[0].business_unit, story, mark))
    return found


def never_happened(ever: list[Fact]) -> dict[UUID, Fact]:
    """What interactions that others take back, whenever that is said, and those others leave in a story: that something was told
    then, and that the lead was taken up for it."""
    saying = [fact for fact in ever if fact.data.get("retracts")]
    gone = [derived_event_id(UUID(fact.data["retracts"]), "LeadTouched") for fact in saying]
    found = [fact for fact in ever if fact.event_id in gone and fact.data.get("kind") != "captured"]
    return {
        fact.event_id: fact._replace(data={"kind": "nothing", "implied": True, "moves": fact.data.get("moves", False)})
        for fact in (*found, *saying)
    }


def answers_to_others(together: list[Fact]) -> set[UUID]:
    """Tasks that were done by a merge with somebody who is not among those whose facts these are."""
    who = {str(fact.lead_id) for fact in together}
    merges = {f.event_id: str(f.data["into_lead_id"]) in who for f in together if f.event == "LeadMerged"}
    done = [f for f in together if f.event == "FollowUpDone"]
    return {
        fact.event_id
        for fact in done
        if not merges.get(fact.causation_id or fact.event_id, fact.data.get("reason") != "merged")
    }


def _root(lead: UUID, parents: dict[UUID, tuple[int, UUID | None]]) -> UUID:
    """The end of the way from parent to parent; of a ring its smallest."""
    way = [lead]
    while True:
        parent = parents.get(way[-1], (0, None))[1]
        if parent is None:
            return way[-1]
        if parent in way:
            return min(way[way.index(parent) :])
        way.append(parent)


def _mark(facts: list[Fact]) -> tuple[str | None, bool]:
    """Why an id is held out, and whether what came under a mark counts all the same: the last that a person said goes before
    what it was captured with."""
    said = sorted((fact.version, fact.data.get("mark")) for fact in facts if fact.event == "LeadMarked")
    if said:
        return said[-1][1], said[-1][1] is None
    captured = [
        fact.data.get("mark")
        for fact in facts
        if fact.event == "LeadCreated" or (fact.event == "LeadTouched" and fact.data.get("kind") == "captured")
    ]
    if not captured or None in captured:
        return None, False
    return ("test" if "test" in captured else "spam"), False
