"""Whatever an imported story says of a deal, however oddly, pipeline, metrics and a plain account of it agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from random import Random
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from services.metrics.domain.facts import Fact as MetricsFact
from services.metrics.domain.opportunities import Held, Opportunity
from services.pipeline.domain.facts import Fact, in_order
from services.pipeline.domain.history_import import record_row
from services.pipeline.domain.history_rows import read_row
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.state import LeadState, evolve
from shared.contracts.policy import UnitPolicy
from tests.unit.pipeline.builders import POLICY, an_id, at

Row = tuple[str, int, dict[str, str]]

STAGES = st.sampled_from(["discovery", "proposal"])
AMOUNTS = st.fixed_dictionaries({}, optional={"amount": st.sampled_from(["5", "7", "9"])})
ABOUT = st.one_of(
    st.tuples(st.just("opportunity_opened"), st.integers(0, 6), st.fixed_dictionaries({"stage": STAGES})),
    st.tuples(st.just("stage_changed"), st.integers(0, 6), st.fixed_dictionaries({"stage": STAGES})),
    st.tuples(st.just("won"), st.integers(0, 6), AMOUNTS),
    st.tuples(
        st.just("lost"), st.integers(0, 6), st.fixed_dictionaries({"reason": st.sampled_from(["price", "time"])})
    ),
)


@dataclass
class Plain:
    """How the deal stands: a stage opens it, and whatever ended it last counts."""

    status: str = "open"
    closed_at: datetime | None = None
    reason: str | None = None
    amount: str | None = None

    def take(self, fact: Fact) -> None:
        self.amount = fact.data.get("amount") or self.amount
        if fact.event == "StageChanged":
            self.status, self.closed_at = "open", None
        elif fact.event in ("OpportunityWon", "OpportunityLost"):
            self.status = "won" if fact.event == "OpportunityWon" else "lost"
            self.closed_at, self.reason = fact.occurred_at, fact.data.get("reason")


def imported(rows: list[Row]) -> list[Fact]:
    """What history says of one deal, recorded in the order in which it is sent."""
    ledger, lead_id = Ledger(), an_id()
    for place, (event, day, said) in enumerate(rows):
        when = {"event": event, "occurred_at": at(1440 * day).isoformat()}
        raw: dict[str, Any] = {"external_id": "c1", "opportunity_id": "c1", **when, **said}
        row = read_row(raw, place=place, sender="crm", policy=POLICY, now=at(1440 * 10))
        record_row(ledger, lead_id, row, sender="crm", unit=UnitPolicy())
    return list(ledger.facts(lead_id))


@given(st.lists(ABOUT, min_size=1, max_size=8), st.integers(0, 99))
@example([("won", 4, {"amount": "5"}), ("won", 6, {"amount": "7"})], 1)
@example([("lost", 4, {"reason": "price"}), ("lost", 6, {"reason": "time"})], 1)
def test_an_imported_deal_is_the_same_for_pipeline_for_metrics_and_for_whoever_reads_it(
    rows: list[Row], seed: int
) -> None:
    facts = imported(rows)
    about = [fact for fact in in_order(facts) if "opportunity_id" in fact.data]
    plain, counted = Plain(), Opportunity("c1", about[0].occurred_at, Held())
    for fact in about:
        plain.take(fact)
        counted.apply(_as_metrics_has_it(fact), Held())
    Random(seed).shuffle(facts)
    deal = reduce(evolve, facts, LeadState()).deals["c1"]
    assert (deal.status, counted.status) == (plain.status, plain.status)
    assert deal.value("amount") == plain.amount
    if plain.status != "open":
        assert (deal.closed_at, deal.reason) == (plain.closed_at, plain.reason)
        assert (counted.closed_at, counted.reason) == (plain.closed_at, plain.reason)
        assert (str(counted.close_amount) if counted.close_amount is not None else None) == plain.amount


def _as_metrics_has_it(fact: Fact) -> MetricsFact:
    when = fact.occurred_at
    return MetricsFact(fact.lead_id, fact.event_id, fact.version, fact.event, when, when, None, "default", fact.data)
