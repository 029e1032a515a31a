"""Who gets a lead, and why. Every choice is a function of the rules, of what everybody has and of the moment, so that the same
leads in the same order go to the same people."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.pipeline.domain.business_time import BusinessCalendar
from services.pipeline.domain.ledger import Ledger
from shared.contracts.conditions import Test, Value, compiled, parse
from shared.contracts.policy import ROUTING_VOCABULARY, Team, UnitPolicy

STRIDE = 1_000_000_000
"""How far a lead moves an owner of weight 1 along a team's track; whoever is least far is next."""

Presence = Literal["at work", "off", "full", "absent"]

Fields = Mapping[str, Value]


class Chosen(NamedTuple):
    """Who gets a lead. `reason` says how they were found, in words."""

    owner: str
    team: str | None
    rule: str
    reason: str


class Absence(NamedTuple):
    """Somebody is away from one moment until another."""

    owner: str
    starts_at: datetime
    ends_at: datetime


@dataclass(slots=True)
class Track:
    """How far each member of a team has come, and how far the one was who was chosen last: nobody starts behind that, so that
    who was away is next once and is not given everything they missed."""

    last: int = 0
    places: dict[str, int] = field(default_factory=dict)
    moved: bool = False

    def place(self, owner: str) -> int:
        """Where an owner stands."""
        return max(self.places.get(owner, 0), self.last)

    def move(self, owner: str, weight: int) -> None:
        """Gives an owner a lead."""
        place = self.place(owner)
        self.last = place
        self.places[owner] = place + STRIDE // weight
        self.moved = True


@dataclass(slots=True)
class Office:
    """A unit's owners at one moment: how many leads each has, who is away, whose turn it is. It changes with every choice."""

    loads: dict[str, int]
    tracks: dict[str, Track]
    absences: Collection[Absence]
    hours: dict[tuple[str, datetime], list[tuple[Presence, list[str]]]] = field(default_factory=dict)
    """Who of a team is at work by their calendars, and who is off: worked out once for all leads of a moment."""

    def is_absent(self, owner: str, at: datetime) -> bool:
        """Whether somebody said that this owner is away."""
        return bool(self.absences) and any(
            one.owner == owner and one.starts_at <= at < one.ends_at for one in self.absences
        )


class Router:
    """The routing of one business unit, its conditions ready to be asked."""

    def __init__(self, unit: UnitPolicy) -> None:
        self._routing = unit.routing
        self._rules: list[tuple[str, str, Test]] = [
            (one.rule, one.to, compiled(parse(one.when, ROUTING_VOCABULARY), _reader) if one.when else _any)
            for one in unit.routing.rules
        ]
        self._calendars = {
            name: BusinessCalendar.of(unit.hours_of(owner), _zone(unit, owner.time_zone))
            for name, owner in unit.routing.owners.items()
        }

    @property
    def is_active(self) -> bool:
        """Whether the unit gives out leads by rule at all."""
        return self._routing.fallback is not None

    @property
    def fallback(self) -> str | None:
        """Who takes what nobody else does."""
        return self._routing.fallback

    @property
    def owners(self) -> Collection[str]:
        """Everybody who can be given a lead."""
        return self._routing.owners

    @property
    def teams(self) -> Collection[str]:
        """Who shares leads."""
        return self._routing.teams

    @property
    def calendars(self) -> Mapping[str, BusinessCalendar]:
        """When each owner works."""
        return self._calendars

    def presence(self, owner: str, office: Office, at: datetime) -> Presence:
        """Whether somebody can be given a lead: whoever is `off` can too, and has it in the morning."""
        if office.is_absent(owner, at):
            return "absent"
        return "full" if self._is_full(owner, office) else self._hours(owner, at)

    def _is_full(self, owner: str, office: Office) -> bool:
        capacity = self._routing.owners[owner].capacity
        return capacity is not None and office.loads.get(owner, 0) >= capacity

    def _hours(self, owner: str, at: datetime) -> Presence:
        return "at work" if self._calendars[owner].is_open(at) else "off"

    def route(self, lead: Fields, office: Office, at: datetime) -> Chosen:
        """Who gets a lead: the first rule that holds and has somebody free, else the fallback."""
        passed: list[str] = []
        for rule, to, holds in self._rules:
            if not holds(lead):
                continue
            team = self._routing.teams.get(to)
            found = self._of_team(to, team, office, at) if team is not None else self._the_owner(to, office, at)
            if found is not None:
                owner, reason = found
                return self._give(Chosen(owner, to if team is not None else None, rule, reason), team, office)
            passed.append(f"nobody of {to} is free")
        fallback = self._routing.fallback
        assert fallback is not None, "routing without a fallback gives out nothing"
        reason = "; ".join(passed) or "no rule holds"
        return self._give(Chosen(fallback, None, "fallback", reason), None, office)

    def _the_owner(self, owner: str, office: Office, at: datetime) -> tuple[str, str] | None:
        presence = self.presence(owner, office, at)
        return (owner, f"named by the rule, {presence}") if presence in ("at work", "off") else None

    def _of_team(self, name: str, team: Team, office: Office, at: datetime) -> tuple[str, str] | None:
        """Whoever is at work goes before whoever is not."""
        for presence, members in self._by_hours(name, team, office, at):
            free = [one for one in members if not office.is_absent(one, at) and not self._is_full(one, office)]
            if free:
                owner = self._next(name, team, free, office)
                return owner, f"{self._why(team, owner, office)}, {presence}, {len(free)} free"
        return None

    def _by_hours(self, name: str, team: Team, office: Office, at: datetime) -> list[tuple[Presence, list[str]]]:
        found = office.hours.get((name, at))
        if found is None:
            members = [(one, self._hours(one, at)) for one in team.members]
            hours: tuple[Presence, ...] = ("at work", "off")
            found = [(presence, [one for one, theirs in members if theirs == presence]) for presence in hours]
            office.hours[name, at] = found
        return found

    def _next(self, name: str, team: Team, free: Iterable[str], office: Office) -> str:
        track = office.tracks.setdefault(name, Track())
        busy = office.loads if team.strategy == "least_busy" else {}
        return min(free, key=lambda one: (busy.get(one, 0), track.place(one)))

    def _why(self, team: Team, owner: str, office: Office) -> str:
        match team.strategy:
            case "least_busy":
                return f"least busy with {office.loads.get(owner, 0)} leads"
            case "weighted":
                return f"next by weight {self._routing.owners[owner].weight}"
            case _:
                return "next in turn"

    def _give(self, chosen: Chosen, team: Team | None, office: Office) -> Chosen:
        office.loads[chosen.owner] = office.loads.get(chosen.owner, 0) + 1
        if team is not None and chosen.team is not None:
            weight = self._routing.owners[chosen.owner].weight if team.strategy == "weighted" else 1
            office.tracks[chosen.team].move(chosen.owner, weight)
        return chosen


def fields_of_lead(ledger: Ledger, lead_id: UUID) -> dict[str, Value]:
    """What rules look at: of a merged person what any of their ids tells, the canonical one first."""
    root = ledger.root(lead_id)
    known: dict[str, Value] = {}
    for member in [root, *(one for one in ledger.group(lead_id) if one is not root)]:
        for name in ("country", "language", "company", "job_title"):
            if name in member.personal:
                known.setdefault(name, member.personal[name])
    touch, graded = root.state.first_touch, root.state.graded
    if touch is not None:
        told = {"product": touch.product, "channel": touch.channel, "source": touch.source, "medium": touch.medium}
        known |= {name: value for name, value in (told | {"campaign": touch.campaign}).items() if value is not None}
    if graded is not None:
        known |= {"grade": graded.grade, "score": graded.score}
    return known


def _reader(name: str) -> Callable[[Fields], Value | None]:
    return lambda lead: lead.get(name)


def _any(_lead: Fields) -> bool:
    return True


def _zone(unit: UnitPolicy, own: str | None) -> ZoneInfo:
    return ZoneInfo(own) if own is not None else unit.zone
