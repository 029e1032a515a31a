"""What a lead is, as a fold over its facts.

Every part of the state is a register that keeps the earliest or the latest value by the facts' own order, never by
their arrival. So `evolve` commutes: facts may arrive late, twice or after a merge, and the state is that of `fold`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import reduce
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from uuid import UUID

from services.pipeline.domain.deal_state import DEAL_EVENTS, DealState, evolve_deal
from services.pipeline.domain.facts import Fact, Key, in_order
from services.pipeline.domain.order_state import ORDER_EVENTS, OrderState, evolve_order, order_id_of
from shared.contracts.marks import UNMARKED, Mark, Marking, of_group

CAPTURED = "captured"
"""The kind of touch of a known lead that is captured again: someone said that it is a lead, so it counts as a creation."""

RETURNED = "returned"
"""The kind of touch of somebody who had business with the unit before and is captured again: they are no new lead."""

Changes = dict[str, Any]

Status = Literal["new", "working", "qualified", "converted", "customer", "archived"]

RANK: dict[Status, int] = {"new": 0, "working": 1, "qualified": 2, "converted": 3, "customer": 4}


class FirstTouch(NamedTuple):
    """How the lead was first reached."""

    key: Key
    channel: str | None = None
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    product: str | None = None


class Graded(NamedTuple):
    """Scoring's latest verdict on one id."""

    key: Key
    score: int
    grade: str
    probability: float | None = None


class Assigned(NamedTuple):
    """Who has the lead."""

    key: Key
    owner: str | None
    team: str | None


class Archived(NamedTuple):
    """When and why the lead was last put aside."""

    key: Key
    reason: str


class Churned(NamedTuple):
    """When and why the customer last left."""

    key: Key
    reason: str | None


class Link(NamedTuple):
    """The last word, by its version, on whether an id is merged into another."""

    version: int
    merged: bool


class Told(NamedTuple):
    """The last word of one id, by its version, on whether anybody knows who it is: told since, or erased."""

    version: int
    erased: bool


class LeadState(NamedTuple):
    """A lead, or a group of merged ones, after everything known.

    `floor` is the least status that the stored row already proves, where the state was taken from a row and not from
    the whole history; in a fold it stays `new`. `revived` is the latest fact that shows an archived lead at work again.
    """

    explicit_at: datetime | None = None
    first_fact_at: datetime | None = None
    first_touch: FirstTouch | None = None
    grades: Mapping[UUID, Graded] = MappingProxyType({})
    links: Mapping[UUID, Link] = MappingProxyType({})
    marks: Mapping[UUID, Marking] = MappingProxyType({})
    told: Mapping[UUID, Told] = MappingProxyType({})
    assigned: Assigned | None = None
    first_assigned_at: datetime | None = None
    first_response_at: datetime | None = None
    worked: bool = False
    qualified_at: datetime | None = None
    archived: Archived | None = None
    revived: Key | None = None
    churned: Churned | None = None
    last: Key | None = None
    floor: Status = "new"
    deals: Mapping[str, DealState] = MappingProxyType({})
    orders: Mapping[str, OrderState] = MappingProxyType({})

    @property
    def graded(self) -> Graded | None:
        """The verdict on the person: that on the canonical id, for which scoring counts everything. Verdicts on merged
        ids know a part; they stand only until there is one on the whole."""
        if len(self.grades) < 2:
            return next(iter(self.grades.values()), None)
        whole = [
            one for lead_id, one in self.grades.items() if lead_id not in self.links or not self.links[lead_id].merged
        ]
        return max(whole or self.grades.values(), key=lambda one: one.key, default=None)

    @property
    def mark(self) -> Mark | None:
        """Why the person is held out of scores and numbers; None for one who counts."""
        return of_group(self.marks.values())

    @property
    def is_erased(self) -> bool:
        """Forgotten, and nothing was told of them since: nobody knows whom to call."""
        known = self.told.values()
        return any(one.erased for one in known) and all(one.erased for one in known)

    @property
    def created_at(self) -> datetime | None:
        """The earliest explicit creation; where no one ever said so, the earliest fact."""
        return self.explicit_at or self.first_fact_at

    @property
    def is_archived(self) -> bool:
        """Put aside, and not at work since."""
        return self.archived is not None and (self.revived is None or self.archived.key > self.revived)

    @property
    def bought(self) -> Key | None:
        """The latest sale that stands: an order, or a deal that was won."""
        orders = (order.placed for order in self.orders.values() if order.stands)
        deals = (deal.ended for deal in self.deals.values() if deal.status == "won")
        return max((key for key in (*orders, *deals) if key is not None), default=None)

    @property
    def has_left(self) -> bool:
        """A customer who left, and has not bought since."""
        return self.churned is not None and (self.bought is None or self.churned.key > self.bought)

    @property
    def status(self) -> Status:
        """Where the lead stands."""
        if self.is_archived:
            return "archived"
        sold = (self.orders and any(order.stands for order in self.orders.values())) or (
            self.deals and any(deal.status == "won" for deal in self.deals.values())
        )
        if sold:
            proven: Status = "customer"
        elif self.deals:
            proven = "converted"
        elif self.qualified_at is not None:
            proven = "qualified"
        else:
            proven = "working" if self.worked else "new"
        return proven if RANK[proven] >= RANK[self.floor] else self.floor


def later(one: Key | None, other: Key) -> Key:
    """The later of two places in the order of facts."""
    return other if one is None or other > one else one


def earliest(one: datetime | None, other: datetime) -> datetime:
    """The earlier of two times."""
    return other if one is None or other < one else one


def _created(state: LeadState, fact: Fact, key: Key) -> Changes:
    changes = _first_touch(state, fact, key)
    changes.update(_captured(state, fact))
    changes.update(_told(state, fact))
    if not fact.data.get("implied"):
        changes["explicit_at"] = earliest(state.explicit_at, fact.occurred_at)
    return changes


def _touched(state: LeadState, fact: Fact, key: Key) -> Changes:
    changes = _first_touch(state, fact, key)
    if fact.data.get("moves"):
        changes["worked"] = True
    if fact.data["kind"] == CAPTURED:
        changes |= _captured(state, fact)
        changes |= _told(state, fact)
        changes["explicit_at"] = earliest(state.explicit_at, fact.occurred_at)
    elif fact.data["kind"] == RETURNED:
        changes |= _told(state, fact)
    return changes


def _told(state: LeadState, fact: Fact) -> Changes:
    """Somebody was captured, and who they are: an erasure that came before does not reach it."""
    return _last_told(state, fact, erased=False) if "contacts" in fact.data else {}


def _last_told(state: LeadState, fact: Fact, *, erased: bool) -> Changes:
    known = state.told.get(fact.lead_id)
    if known is not None and known.version >= fact.version:
        return {}
    return {"told": {**state.told, fact.lead_id: Told(fact.version, erased)}}


def _erased(state: LeadState, fact: Fact, key: Key) -> Changes:
    return _last_told(state, fact, erased=True)


def _contact_changed(state: LeadState, fact: Fact, key: Key) -> Changes:
    """Whom there is to speak with was said: of a lead that was erased somebody is known again."""
    return _last_told(state, fact, erased=False) if fact.data["change"] != "removed" else {}


def _captured(state: LeadState, fact: Fact) -> Changes:
    known = state.marks.get(fact.lead_id)
    mark = fact.data.get("mark")
    marking = UNMARKED if known is None and mark is None else (known or Marking()).captured(mark)
    return {} if marking is known else {"marks": {**state.marks, fact.lead_id: marking}}


def _marked(state: LeadState, fact: Fact, key: Key) -> Changes:
    marking = state.marks.get(fact.lead_id, Marking()).said(fact.data.get("mark"), fact.version)
    return {"marks": {**state.marks, fact.lead_id: marking}}


def _first_touch(state: LeadState, fact: Fact, key: Key) -> Changes:
    data = fact.data
    channel, source = data.get("channel"), data.get("source")
    if channel is None and source is None:
        return {}
    known = state.first_touch
    if known is not None and (known.key <= key):
        return {}
    touch = FirstTouch(key, channel, source, data.get("medium"), data.get("campaign"), data.get("product"))
    return {"first_touch": touch}


def _graded(state: LeadState, fact: Fact, key: Key) -> Changes:
    known = state.grades.get(fact.lead_id)
    if known is not None and known.key >= key:
        return {}
    graded = Graded(key, fact.data["score"], fact.data["grade"], fact.data.get("probability"))
    return {"grades": {**state.grades, fact.lead_id: graded}}


def _linked(state: LeadState, fact: Fact, key: Key) -> Changes:
    known = state.links.get(fact.lead_id)
    if known is not None and known.version >= fact.version:
        return {}
    return {"links": {**state.links, fact.lead_id: Link(fact.version, fact.event == "LeadMerged")}}


def _assigned(state: LeadState, fact: Fact, key: Key) -> Changes:
    changes: Changes = {"worked": True, "first_assigned_at": earliest(state.first_assigned_at, fact.occurred_at)}
    if state.assigned is None or state.assigned.key < key:
        changes["assigned"] = Assigned(key, fact.data["owner"], fact.data.get("team"))
    return changes


def _contacted(state: LeadState, fact: Fact, key: Key) -> Changes:
    """Whoever is answered by a machine, or calls by themselves, has not been responded to."""
    if not fact.data.get("human", True):
        return {}
    if not fact.data.get("outbound", True):
        return {"worked": True}
    return {"worked": True, "first_response_at": earliest(state.first_response_at, fact.occurred_at)}


def _qualified(state: LeadState, fact: Fact, key: Key) -> Changes:
    return {
        "qualified_at": earliest(state.qualified_at, fact.occurred_at),
        "revived": later(state.revived, key),
    }


def _archived(state: LeadState, fact: Fact, key: Key) -> Changes:
    if state.archived is not None and state.archived.key >= key:
        return {}
    return {"archived": Archived(key, fact.data["reason"])}


def _reopened(state: LeadState, fact: Fact, key: Key) -> Changes:
    return {"worked": True, "revived": later(state.revived, key)}


def _dealt(state: LeadState, fact: Fact, key: Key) -> Changes:
    name = fact.data["opportunity_id"]
    deals = {**state.deals, name: evolve_deal(state.deals.get(name), fact)}
    return {"deals": deals, "revived": later(state.revived, key)}


def _ordered(state: LeadState, fact: Fact, key: Key) -> Changes:
    name = order_id_of(fact)
    changes: Changes = {"orders": {**state.orders, name: evolve_order(state.orders.get(name), fact)}}
    return changes | {"revived": later(state.revived, key)} if fact.event == "OrderPlaced" else changes


def _left(state: LeadState, fact: Fact, key: Key) -> Changes:
    if state.churned is not None and state.churned.key >= key:
        return {}
    return {"churned": Churned(key, fact.data.get("reason"))}


_RULES: dict[str, Callable[[LeadState, Fact, Key], Changes]] = {
    "LeadCreated": _created,
    "LeadTouched": _touched,
    "LeadContactChanged": _contact_changed,
    "PersonalDataErased": _erased,
    "LeadMarked": _marked,
    "LeadGraded": _graded,
    "LeadMerged": _linked,
    "LeadUnmerged": _linked,
    "LeadAssigned": _assigned,
    "ContactAttempted": _contacted,
    "LeadQualified": _qualified,
    "LeadArchived": _archived,
    "LeadReopened": _reopened,
    "CustomerChurned": _left,
    **dict.fromkeys(ORDER_EVENTS, _ordered),
    **dict.fromkeys(DEAL_EVENTS, _dealt),
}


def evolve(state: LeadState, fact: Fact) -> LeadState:
    """The state after one more fact, whenever that fact happened. A fact without a rule only counts as one."""
    rule = _RULES.get(fact.event)
    key = fact.key
    changes = rule(state, fact, key) if rule is not None else {}
    if state.first_fact_at is None or key.occurred_at < state.first_fact_at:
        changes["first_fact_at"] = key.occurred_at
    if state.last is None or key > state.last:
        changes["last"] = key
    return _with(state, changes) if changes else state


_PLACES = {name: place for place, name in enumerate(LeadState._fields)}


def _with(state: LeadState, changes: Changes) -> LeadState:
    """What `_replace` does, at a third of its cost: every fact of every lead comes by here."""
    values: list[Any] = list(state)
    for name, value in changes.items():
        values[_PLACES[name]] = value
    return tuple.__new__(LeadState, values)


def fold(facts: Iterable[Fact]) -> LeadState:
    """The state after all facts of a lead, or of a group of merged ones."""
    return reduce(evolve, in_order(facts), LeadState())


def owner_of(state: LeadState) -> tuple[str | None, str | None]:
    """Who has a customer, and their team: whoever has the lead, else whoever had the last deal."""
    if state.assigned is not None:
        return state.assigned.owner, state.assigned.team
    last = max(state.deals.values(), key=lambda deal: deal.first, default=None)
    return (last.value("owner"), last.value("team")) if last is not None else (None, None)
