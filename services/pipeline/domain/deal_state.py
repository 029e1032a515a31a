"""What a deal is, as a fold over its facts. As in `state`, every part is a register, so the order of arrival is nothing."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from services.pipeline.domain.facts import Fact, Key

DealStatus = Literal["open", "won", "lost"]

DEAL_EVENTS = (
    "OpportunityOpened",
    "StageChanged",
    "AmountChanged",
    "CloseDateChanged",
    "OpportunityAssigned",
    "OpportunityWon",
    "OpportunityLost",
)

NOWHERE = ("AmountChanged", "CloseDateChanged", "OpportunityAssigned")
"""After these a deal is where it was."""

_KEPT = ("pipeline", "amount", "currency", "product", "owner", "team", "expected_close", "lines")


class Move(NamedTuple):
    """Something that put the deal somewhere: it was opened, entered a stage, or ended."""

    key: Key
    event: str
    stage: str | None
    position: int | None


@dataclass(frozen=True, slots=True)
class DealState:
    """One deal after everything known. `lead_id` is the story its earliest fact stands in.

    `ended` is the latest fact that closed the deal; a stage entered after it opens the deal again. `moves` are in order.
    """

    opportunity_id: str
    first: Key
    opened_at: datetime | None = None
    staged: Key | None = None
    ended: Key | None = None
    won: bool = False
    reason: str | None = None
    last: Key | None = None
    values: Mapping[str, tuple[Key, Any]] = field(default_factory=dict)
    moves: tuple[Move, ...] = ()

    @property
    def lead_id(self) -> UUID:
        """The lead whose story holds this deal."""
        return self.first.lead_id

    @property
    def began_at(self) -> datetime:
        """When it was opened; where no one ever said so, when it first was heard of."""
        return self.opened_at or self.first.occurred_at

    @property
    def status(self) -> DealStatus:
        """Open, or how it ended."""
        if self.ended is None or (self.staged is not None and self.staged > self.ended):
            return "open"
        return "won" if self.won else "lost"

    @property
    def closed_at(self) -> datetime | None:
        """When it ended, None while it is open."""
        return self.ended.occurred_at if self.ended is not None and self.status != "open" else None

    def value(self, name: str) -> Any:
        """The latest stage, amount, owner and so on; None where none was ever given."""
        held = self.values.get(name)
        return held[1] if held is not None else None


def evolve_deal(deal: DealState | None, fact: Fact) -> DealState:
    """The deal after one more of its facts, whenever that fact happened."""
    key, data = fact.key, fact.data
    deal = deal or DealState(data["opportunity_id"], key)
    if key < deal.first:
        deal = replace(deal, first=key)
    if deal.last is None or key > deal.last:
        deal = replace(deal, last=key)
    values = dict(deal.values)
    for name in _KEPT:
        if data.get(name) is not None and (name not in values or values[name][0] < key):
            values[name] = (key, data[name])
    if fact.event == "OpportunityAssigned" and ("team" not in values or values["team"][0] < key):
        values["team"] = (key, data.get("team"))  # that of whoever had it is not theirs
    stage = data.get("stage")
    if stage is not None and _places(values.get("stage"), fact, deal.staged):
        values["stage"] = (key, stage)
    deal = replace(deal, values=values)
    if fact.event not in NOWHERE:
        deal = _moved(deal, Move(key, fact.event, data.get("stage"), data.get("position")))
    match fact.event:
        case "OpportunityOpened" if deal.opened_at is None or fact.occurred_at < deal.opened_at:
            return replace(deal, opened_at=fact.occurred_at)
        case "StageChanged" if deal.staged is None or key > deal.staged:
            return replace(deal, staged=key)
        case "OpportunityWon" | "OpportunityLost" if deal.ended is None or key > deal.ended:
            return replace(deal, ended=key, won=fact.event == "OpportunityWon", reason=data.get("reason"))
        case _:
            return deal


def _places(held: tuple[Key, Any] | None, fact: Fact, staged: Key | None) -> bool:
    """Whether a fact says in which stage the deal is: the last that was entered, else the one in which it was opened first. One
    that is opened when it is in a stage already stays there, as metrics has it."""
    if held is None:
        return True
    if fact.event == "OpportunityOpened":
        return staged is None and fact.key < held[0]
    return staged is None or fact.key > staged


def _moved(deal: DealState, move: Move) -> DealState:
    if move in deal.moves:
        return deal
    moves = list(deal.moves)
    insort(moves, move, key=lambda one: one.key)
    return replace(deal, moves=tuple(moves))
