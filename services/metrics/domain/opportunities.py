"""One deal's story: open in a stage, won or lost, and reopened when it moves on after that. Of several ends in a row the last counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from services.metrics.domain.facts import Fact

OPPORTUNITY_EVENTS = frozenset(
    {
        "OpportunityOpened",
        "StageChanged",
        "AmountChanged",
        "CloseDateChanged",
        "OpportunityAssigned",
        "OpportunityWon",
        "OpportunityLost",
    }
)


class Held(NamedTuple):
    """Who and what an opportunity or lead was about at one moment."""

    product: str | None = None
    owner: str | None = None
    team: str | None = None
    grade: str | None = None


NOTHING_KNOWN = Held()


class Spell(NamedTuple):
    """One stay in a stage, from entering to leaving it."""

    stage: str
    started_at: datetime
    ended_at: datetime
    held: Held


@dataclass(slots=True)
class Visit:
    """The first time a deal entered a stage, and when it first got further than that."""

    stage: str
    at: datetime
    position: int | None
    held: Held
    advanced_at: datetime | None = None


@dataclass(slots=True)
class Opportunity:
    """A deal as its facts have made it so far. Its first fact, whatever it says, opens it."""

    opportunity_id: str
    opened_at: datetime
    opened: Held
    status: Literal["open", "won", "lost"] = "open"
    product: str | None = None
    owner: str | None = None
    team: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    pipeline: str | None = None
    expected_close: datetime | None = None
    stage: str | None = None
    stage_since: datetime | None = None
    held: Held = NOTHING_KNOWN
    closed_at: datetime | None = None
    close_amount: Decimal | None = None
    close_currency: str | None = None
    reason: str | None = None
    visits: dict[str, Visit] = field(default_factory=dict)
    spells: list[Spell] = field(default_factory=list)

    def apply(self, fact: Fact, lead: Held) -> None:
        """The deal after one more fact, `lead` being what is known of its lead by then."""
        data = fact.data
        self.owner = data.get("owner") or self.owner
        is_handed_over = fact.event == "OpportunityAssigned"  # the team of whoever had it is not theirs
        self.team = data.get("team") or (None if is_handed_over else self.team)
        self.product = data.get("product") or self.product
        if fact.event != "OpportunityLost" or self.amount is None:  # a loss does not say anew what there was to win
            if data.get("amount") is not None:
                self.amount = Decimal(data["amount"])
            self.currency = data.get("currency") or self.currency
        self.pipeline = data.get("pipeline") or self.pipeline
        if data.get("expected_close"):
            self.expected_close = datetime.fromisoformat(data["expected_close"])
        now = self.held_with(lead)
        match fact.event:
            case "StageChanged":
                self._move(data["stage"], data.get("position"), fact.occurred_at, now)
            case "OpportunityOpened" if self.stage is None and self.status == "open" and data.get("stage"):
                self._move(data["stage"], data.get("position"), fact.occurred_at, now)
            case "OpportunityWon":
                self._close("won", None, fact.occurred_at, now)
            case "OpportunityLost":
                self._close("lost", data.get("reason") or None, fact.occurred_at, now)
        if self.status == "open":
            self.held = now
        if fact.occurred_at == self.opened_at:
            self.opened = now

    def held_with(self, lead: Held) -> Held:
        """Who and what it is about while so much is known of its lead: what it does not say itself."""
        return Held(self.product or lead.product, self.owner or lead.owner, self.team or lead.team, lead.grade)

    def _move(self, stage: str, position: int | None, at: datetime, held: Held) -> None:
        """Enter a stage. The stage it is already in opens no new spell; a closed deal is open again."""
        if self.status == "open" and stage == self.stage:
            return
        if self.status == "open":
            self._leave(at, held)
        self.status = "open"
        self.stage, self.stage_since = stage, at
        for earlier in self.visits.values():
            if earlier.advanced_at is None and earlier.stage != stage and self._is_later(stage, position, earlier):
                earlier.advanced_at = at
        if stage not in self.visits:
            self.visits[stage] = Visit(stage, at, position, held)

    def _is_later(self, stage: str, position: int | None, than: Visit) -> bool:
        """By position where both are known, else a stage never entered before."""
        if position is not None and than.position is not None:
            return position > than.position
        return stage not in self.visits

    def _leave(self, at: datetime, held: Held) -> None:
        if self.stage is not None and self.stage_since is not None:
            self.spells.append(Spell(self.stage, self.stage_since, at, held))

    def _close(self, outcome: Literal["won", "lost"], reason: str | None, at: datetime, held: Held) -> None:
        """End the deal, or end it otherwise. `stage` stays the one it was in: the stage before a loss is kept."""
        if self.status == "open":
            self._leave(at, held)
        if outcome == "won":
            for visit in self.visits.values():
                visit.advanced_at = visit.advanced_at or at
        self.status, self.closed_at, self.held, self.reason = outcome, at, held, reason
        self.close_amount, self.close_currency = self.amount, self.currency
