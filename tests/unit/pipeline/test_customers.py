"""What happens after a sale: orders, refunds, leaving, answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import reduce
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from services.pipeline.domain import customer_story, customers
from services.pipeline.domain.decisions import Act
from services.pipeline.domain.facts import Draft, Fact
from services.pipeline.domain.refusals import Refused
from services.pipeline.domain.state import LeadState, evolve, fold
from shared.contracts.lifecycle_events import LeadCreated, OrderPlaced
from shared.contracts.policy import UnitPolicy
from tests.unit.pipeline.builders import an_id, at

UNIT = UnitPolicy.model_validate({"churn_reasons": ["price", "other"], "refund_reasons": ["broken"]})
LEAD = UUID(int=1)


class Buyer:
    """A lead and what they do, one thing a minute."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.record(Draft(LeadCreated, an_id(), at(0), an_id(), None, {}))

    @property
    def state(self) -> LeadState:
        return fold(self.facts)

    def record(self, draft: Draft) -> None:
        name = draft.kind.__name__
        self.facts.append(Fact(LEAD, len(self.facts) + 1, name, draft.event_id, draft.occurred_at, draft.data))

    def do(self, decide: Callable[[LeadState, Act], list[Draft]]) -> list[Draft]:
        drafts = decide(self.state, Act(an_id(), at(len(self.facts)), "kim"))
        for draft in drafts:
            self.record(draft)
        return drafts

    def order(self, name: str = "o1", **values: Any) -> list[Draft]:
        said = customers.Order(name, **{"amount": "100", **values})
        return self.do(lambda state, act: customers.decide_order(state, UNIT, act, said))

    def refund(self, name: str = "o1", amount: str | None = None, **values: Any) -> list[Draft]:
        why = {"reason": None, "note": None, **values}
        return self.do(
            lambda state, act: customers.decide_refund(state, UNIT, act, order_id=name, amount=amount, **why)
        )

    def cancel(self, name: str = "o1") -> list[Draft]:
        return self.do(
            lambda state, act: customers.decide_cancel_order(state, UNIT, act, order_id=name, reason=None, note=None)
        )

    def leave(self, reason: str = "price", note: str | None = None) -> list[Draft]:
        return self.do(lambda state, act: customers.decide_churn(state, UNIT, act, reason=reason, note=note))

    def answer(self, value: float, scale: Any = "csat") -> list[Draft]:
        return self.do(
            lambda state, act: customers.decide_satisfaction(state, act, scale=scale, value=value, comment="Ann said")
        )


def test_whoever_orders_is_a_customer_until_the_order_is_taken_back() -> None:
    buyer = Buyer()
    buyer.order()
    assert buyer.state.status == "customer"
    buyer.cancel()
    assert (buyer.state.status, buyer.state.orders["o1"].status) == ("new", "cancelled")
    with pytest.raises(Refused, match="it is cancelled"):
        buyer.refund()


def test_an_order_is_not_worth_less_than_nothing_by_its_lines_either() -> None:
    buyer = Buyer()
    back = {"product": "x", "quantity": "1", "unit_price": "-50"}
    with pytest.raises(Refused, match="less than nothing") as refused:
        buyer.order(amount=None, lines=[back])
    assert (refused.value.kind, refused.value.field) == ("invalid", "lines")
    (placed,) = buyer.order(amount=None, lines=[back, {**back, "unit_price": "50"}])
    assert placed.data["amount"] == "0"


def test_lines_that_come_to_more_than_an_amount_are_refused_whatever_amount_is_given() -> None:
    buyer = Buyer()
    huge = {"product": "x", "quantity": "999999999999999", "unit_price": "999999999999999"}
    with pytest.raises(Refused, match="more than an amount"):
        buyer.order(amount="1", lines=[huge])
    (placed,) = buyer.order(amount="1", lines=[huge, {**huge, "unit_price": "-999999999999999"}])
    assert placed.data["amount"] == "1"


def test_revenue_may_have_more_digits_than_one_amount() -> None:
    buyer = Buyer()
    for number in range(3):
        buyer.order(f"o{number}", amount="999999999999999.99")
    buyer.refund("o0", "0.5")
    shown = customer_story.told((fact, {}) for fact in buyer.facts)
    assert shown["revenue"] == {"EUR": "2999999999999999.47"}


def test_an_order_told_again_is_nothing_new_and_told_otherwise_contradicts() -> None:
    buyer = Buyer()
    assert len(buyer.order(product="roof")) == 1
    assert buyer.order(product="roof") == []
    with pytest.raises(Refused, match="told before with other facts"):
        buyer.order(amount="101")


def test_an_order_that_is_known_with_another_offset_is_the_same() -> None:
    buyer = Buyer()
    data = {"order_id": "o1", "amount": "100", "currency": "EUR", "runs_until": "2027-01-01T01:00:00+01:00"}
    buyer.record(Draft(OrderPlaced, an_id(), at(1), an_id(), None, data))
    assert buyer.order(runs_until=datetime(2027, 1, 1, tzinfo=UTC)) == []
    with pytest.raises(Refused, match="other facts"):
        buyer.order(runs_until=datetime(2027, 1, 1, 1, tzinfo=UTC))


def test_an_order_is_refunded_in_parts_and_never_more_than_is_left() -> None:
    buyer = Buyer()
    buyer.order(lines=[{"product": "x", "quantity": "3", "unit_price": "10"}], amount=None)
    buyer.refund(amount="10.5", reason="broken")
    assert (buyer.state.orders["o1"].status, buyer.state.orders["o1"].refunded_text()) == ("placed", "10.5")
    for amount in ("19.51", "0"):
        with pytest.raises(Refused, match="what is left") as refused:
            buyer.refund(amount=amount)
        assert refused.value.extra == {"left": "19.5"}
    (rest,) = buyer.refund()
    assert (rest.data["amount"], buyer.state.orders["o1"].status) == ("19.5", "refunded")
    assert buyer.state.status == "customer"


def test_an_order_goes_on_with_another_of_the_same_customer() -> None:
    buyer = Buyer()
    buyer.order(runs_until=at(5000))
    buyer.order("o2", renews="o1", runs_until=at(9000))
    assert buyer.state.orders["o2"].runs_until == at(9000)
    for renews in ("o3", "o9"):
        with pytest.raises(Refused, match="renews is not another order of this customer"):
            buyer.order("o3", renews=renews)


def test_a_customer_leaves_and_is_back_with_the_next_order() -> None:
    buyer = Buyer()
    with pytest.raises(Refused, match="has bought nothing"):
        buyer.leave()
    buyer.order()
    with pytest.raises(Refused, match="needs a note"):
        buyer.leave("other")
    (left,) = buyer.leave("other", "Ann moved")
    assert (left.aside, buyer.state.has_left) == ({"note": "Ann moved"}, True)
    with pytest.raises(Refused, match="somebody who left"):
        buyer.leave()
    buyer.order("o2")
    assert not buyer.state.has_left


@pytest.mark.parametrize(
    ("scale", "value", "taken"),
    [("csat", 1, True), ("csat", 5, True), ("csat", 0, False), ("csat", 6, False), ("nps", 0, True), ("nps", 10, True)],
)
def test_answers_are_on_their_scale(scale: str, value: float, taken: bool) -> None:
    buyer = Buyer()
    buyer.order()
    if not taken:
        with pytest.raises(Refused, match="is no answer from 1 to 5"):
            buyer.answer(value, scale)
        return
    (said,) = buyer.answer(value, scale)
    assert (said.data["value"], said.data["scale"], said.aside) == (value, scale, {"comment": "Ann said"})


def test_in_whichever_order_it_is_learned_a_customer_is_the_same() -> None:
    buyer = Buyer()
    buyer.order()
    buyer.refund(amount="40")
    buyer.leave()
    buyer.order("o2")
    buyer.cancel("o2")
    told = customer_story.told([(fact, {}) for fact in buyer.facts])
    assert (told["revenue"], told["has_left"], told["left_because"]) == ({"EUR": "60"}, True, "price")
    for arrival in permutations(buyer.facts):
        assert reduce(evolve, arrival, LeadState()) == buyer.state
