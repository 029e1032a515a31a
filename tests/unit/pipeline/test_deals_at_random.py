"""Whatever is done to deals in whatever order, what is known of them is what a plain account of it says; metrics agrees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.metrics.domain.facts import Fact as MetricsFact
from services.metrics.domain.opportunities import Held, Opportunity
from services.pipeline.domain import deals
from services.pipeline.domain.amounts import lines_total
from services.pipeline.domain.decisions import Act, decide_archive, decide_reopen
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.refusals import Refused
from services.pipeline.domain.selling import Selling
from services.pipeline.domain.state import LeadState, evolve, fold
from services.pipeline.domain.stays import stays_of, time_in_stages
from shared.contracts.lifecycle_events import LeadCreated, LeadQualified
from shared.contracts.policy import UnitPolicy
from tests.unit.pipeline.builders import START, an_id

STAGES = ("first", "second", "third", "fourth")
UNIT = UnitPolicy.model_validate(
    {
        "loss_reasons": ["price"],
        "archive_reasons": ["no need"],
        "pipelines": {
            "default": [
                {"name": "first", "probability": 0.1},
                {"name": "second", "probability": 0.2},
                {"name": "third", "probability": 0.4, "needs": ["amount"]},
                {"name": "fourth", "probability": 0.8, "enter_when": "amount >= 5"},
            ]
        },
    }
)
NAMES = st.sampled_from(["d", "e"])
AMOUNTS = st.sampled_from(["0", "4.99", "5", "70"])
LINE = st.fixed_dictionaries(
    {"product": st.just("x"), "quantity": st.sampled_from(["1", "3"]), "unit_price": st.sampled_from(["1.50", "2"])},
    optional={"discount": st.sampled_from(["0.1", "1"])},
)
LINES = st.lists(LINE, max_size=2)


@dataclass
class Plain:
    """A deal as somebody would note it down."""

    status: str = "open"
    stage: str = "first"
    amount: str | None = None
    lines: list[dict[str, str]] = field(default_factory=list)
    stays: list[tuple[str, datetime, datetime | None]] = field(default_factory=list)

    def takes(self, stage: str) -> bool:
        """Whether the stage takes the deal as it is."""
        if stage == "third":
            return self.amount is not None
        return stage != "fourth" or (self.amount is not None and float(self.amount) >= 5)

    def enter(self, stage: str, at: datetime) -> None:
        self.leave(at)
        self.stage, self.status = stage, "open"
        self.stays.append((stage, at, None))

    def leave(self, at: datetime) -> None:
        if self.stays and self.stays[-1][2] is None:
            stage, entered, _ = self.stays[-1]
            self.stays[-1] = (stage, entered, at)


class Deals(RuleBasedStateMachine):
    """One lead, two deals, and all that can be done to them."""

    @initialize()
    def begin(self) -> None:
        self.ledger = Ledger()
        self.lead_id = an_id()
        self.ledger.create(self.lead_id, "default")
        self.selling = Selling(UNIT)
        self.now = START
        self.plain: dict[str, Plain] = {}
        self.archived = False
        for kind in (LeadCreated, LeadQualified):
            self.ledger.record(self.lead_id, Draft(kind, an_id(), self.now, an_id(), None, {}))

    @property
    def state(self) -> LeadState:
        return self.ledger[self.lead_id].state

    def do(self, decide: Callable[[Act], list[Draft]], *, allowed: bool) -> bool:
        """A command as `commands` carries it out. One that is not allowed is refused and leaves nothing behind."""
        before = list(self.ledger[self.lead_id].facts or ())
        try:
            drafts = self.selling.placed(self.ledger, self.lead_id, decide(Act(an_id(), self.now, "kim")))
        except Refused:
            drafts = []
        assert bool(drafts) == allowed
        assert self.ledger[self.lead_id].facts == before
        for draft in drafts:
            self.ledger.record(self.lead_id, draft)
        return allowed

    def on(self, name: str, decide: Any, *, allowed: bool, **values: Any) -> bool:
        deal = self.state.deals.get(name)
        if deal is None:
            return False
        return self.do(lambda act: decide(deal, UNIT, act, **values), allowed=allowed)

    def is_open(self, name: str) -> bool:
        return name in self.plain and self.plain[name].status == "open"

    @rule(minutes=st.integers(0, 90))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(name=NAMES, stage=st.sampled_from([None, *STAGES]), amount=st.none() | AMOUNTS, lines=LINES)
    def open(self, name: str, stage: str | None, amount: str | None, lines: list[dict[str, str]]) -> None:
        worth = amount if amount is not None else lines_total(lines) if lines else None
        plain = Plain(stage=stage or "first", amount=worth, lines=lines)
        allowed = not self.archived and name not in self.plain and plain.takes(plain.stage)
        wanted = deals.Deal(name, stage=stage, amount=amount, lines=lines)
        if self.do(lambda act: deals.decide_open(self.state, UNIT, act, wanted), allowed=allowed):
            plain.enter(plain.stage, self.now)
            self.plain[name] = plain

    @rule(name=NAMES, stage=st.sampled_from(STAGES))
    def move(self, name: str, stage: str) -> None:
        allowed = self.is_open(name) and self.plain[name].stage != stage and self.plain[name].takes(stage)
        if self.on(name, deals.decide_move, allowed=allowed, stage=stage):
            self.plain[name].enter(stage, self.now)

    @rule(name=NAMES, amount=AMOUNTS)
    def change_amount(self, name: str, amount: str) -> None:
        if self.on(name, deals.decide_change_amount, allowed=self.is_open(name), amount=amount, currency=None):
            self.plain[name].amount = amount

    @rule(name=NAMES, lines=LINES, amount=st.none() | AMOUNTS)
    def change_lines(self, name: str, lines: list[dict[str, str]], amount: str | None) -> None:
        said = {"lines": lines, "amount": amount, "currency": None}
        if self.on(name, deals.decide_change_lines, allowed=self.is_open(name), **said):
            self.plain[name].amount = amount if amount is not None else lines_total(lines)
            self.plain[name].lines = lines

    @rule(name=NAMES, amount=st.none() | AMOUNTS)
    def win(self, name: str, amount: str | None) -> None:
        if self.on(name, deals.decide_win, allowed=self.is_open(name), amount=amount, currency=None):
            self.end(name, "won")
            self.plain[name].amount = amount if amount is not None else self.plain[name].amount

    @rule(name=NAMES)
    def lose(self, name: str) -> None:
        if self.on(name, deals.decide_lose, allowed=self.is_open(name), reason="price"):
            self.end(name, "lost")

    @rule(name=NAMES)
    def reopen(self, name: str) -> None:
        closed = name in self.plain and not self.is_open(name)
        if self.on(name, deals.decide_reopen_deal, allowed=closed):
            self.plain[name].enter(self.plain[name].stage, self.now)
            self.archived = False

    @rule()
    def put_aside(self) -> None:
        allowed = not self.archived and all(one.status == "lost" for one in self.plain.values())
        decide = lambda act: decide_archive(self.state, UNIT, act, reason="no need", note=None)  # noqa: E731
        self.archived = self.do(decide, allowed=allowed) or self.archived

    @rule()
    def take_up(self) -> None:
        if self.do(lambda act: decide_reopen(self.state, act), allowed=self.archived):
            self.archived = False

    def end(self, name: str, how: str) -> None:
        self.plain[name].leave(self.now)
        self.plain[name].status = how

    @invariant()
    def deals_are_what_was_noted_down(self) -> None:
        assert self.state.deals.keys() == self.plain.keys()
        for name, plain in self.plain.items():
            deal = self.state.deals[name]
            assert (deal.status, deal.value("stage")) == (plain.status, plain.stage)
            assert (deal.value("amount"), deal.value("lines") or []) == (plain.amount, plain.lines)
            stays = stays_of(deal.moves, STAGES)
            assert [(one.stage, one.entered_at, one.left_at) for one in stays] == plain.stays
            assert (deal.closed_at is None) == (plain.status == "open")
            lasted = sum(((left or self.now) - entered).total_seconds() for _, entered, left in plain.stays)
            assert sum(time_in_stages(stays, self.now).values()) == pytest.approx(lasted)
            for one in stays:
                assert one.visit == 1 + sum(other.stage == one.stage for other in stays[: stays.index(one)])
                assert one.how != "skipped" or one.skipped

    @invariant()
    def the_lead_stands_where_its_deals_put_it(self) -> None:
        ways = {one.status for one in self.plain.values()}
        expected = "customer" if "won" in ways else "converted" if ways else "qualified"
        assert self.state.status == ("archived" if self.archived else expected)

    @invariant()
    def the_order_in_which_it_is_learned_is_nothing(self) -> None:
        facts = list(self.ledger[self.lead_id].facts or ())
        Random(len(facts)).shuffle(facts)
        assert reduce(evolve, facts, LeadState()) == self.state == fold(facts)

    @invariant()
    def metrics_counts_the_same_stays_outcomes_and_amounts(self) -> None:
        for name, plain in self.plain.items():
            counted = Opportunity(name, START, Held())
            for fact in self.ledger[self.lead_id].facts or ():
                if fact.data.get("opportunity_id") == name:
                    counted.apply(_as_metrics_has_it(fact), Held())
            assert (counted.status, counted.stage) == (plain.status, plain.stage)
            assert str(counted.amount) == str(plain.amount)
            ended = [(stage, entered, left) for stage, entered, left in plain.stays if left is not None]
            assert [(one.stage, one.started_at, one.ended_at) for one in counted.spells] == ended


def _as_metrics_has_it(fact: Any) -> MetricsFact:
    at = fact.occurred_at
    return MetricsFact(fact.lead_id, fact.event_id, fact.version, fact.event, at, at, None, "default", fact.data)


TestDeals = Deals.TestCase
TestDeals.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
