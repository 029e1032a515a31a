"""What customers count as: any order of arrival gives the same, a past moment shows what had happened by then; and cases by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.domain.calendars import Calendars
from services.metrics.domain.churning import Change, churned, converted, months_between
from services.metrics.domain.contributions import contributions, lived
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.entries import Measure
from services.metrics.domain.facts import counted
from services.metrics.domain.questions import Question
from shared.contracts.policy.calendar import Calendar
from tests.unit.metrics.customer_histories import history
from tests.unit.metrics.stories import Told, day, holds, lead_id
from tests.unit.metrics.test_fold_properties import (
    apart_from_time,
    in_any_order_gives_the_numbers_from_scratch,
)

M = Measure


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_any_order_in_any_batches_with_repeats_gives_the_numbers_from_scratch(random: Random, leads: int) -> None:
    facts = history(random, leads, ("default",))
    in_any_order_gives_the_numbers_from_scratch(random, facts, 8)


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_past_moment_shows_what_had_happened_by_then(random: Random) -> None:
    known, root, rate = counted(history(random, 3, ("default",))), UUID(int=1), Decimal("0.4")
    entries = lived(root, known, currency="EUR", margin_rate=rate)
    assert len({(one.key, one.valid_from) for one in entries}) == len(entries)
    for now in {fact.occurred_at for fact in known.story}:
        then = {
            apart_from_time(one)
            for one in entries
            if one.valid_from <= now and (one.valid_to is None or one.valid_to > now)
        }
        story = [fact for fact in known.story if fact.occurred_at <= now]
        before = lived(root, known._replace(story=story), currency="EUR", margin_rate=rate)
        assert then == {apart_from_time(one) for one in before if one.valid_to is None}


def worth(told: Told, measure: Measure, as_of: float | None = None, rate: str | None = None) -> dict[str | None, float]:
    entries = contributions(
        lead_id("a"), told.facts, currency="EUR", margin_rate=None if rate is None else Decimal(rate)
    )
    found: dict[str | None, float] = {}
    for one in entries:
        if one.measure is measure and holds(one, as_of):
            found[one.currency] = found.get(one.currency, 0.0) + float(one.amount or 0)
    return found


def customer() -> Told:
    return Told().tell("a", "LeadCreated", 0, channel="phone")


def test_margin_is_amount_less_cost_or_the_units_share_and_unknown_without_either() -> None:
    told = customer()
    told.tell("a", "OrderPlaced", 1, order_id="1", amount="100", cost="60")
    told.tell("a", "OrderPlaced", 2, order_id="2", amount="100")
    assert worth(told, M.CUSTOMER_MARGIN) == {"EUR": 40, None: 0}
    assert worth(told, M.CUSTOMER_MARGIN, rate="0.25") == {"EUR": 65}
    assert worth(told, M.CUSTOMER_REVENUE) == {"EUR": 200}


def test_a_refund_takes_its_own_time_and_currency_and_may_be_more_than_the_order() -> None:
    told = customer()
    told.tell("a", "OrderRefunded", 5, order_id="1", amount="150").tell(
        "a", "OrderPlaced", 1, order_id="1", amount="100"
    )
    told.tell("a", "OrderRefunded", 6, order_id="1", amount="10", currency="USD")
    assert worth(told, M.CUSTOMER_REVENUE, as_of=4) == {"EUR": 100}
    assert worth(told, M.CUSTOMER_REVENUE) == {"EUR": -50, "USD": -10}
    assert worth(told, M.CUSTOMER_MARGIN, rate="0.5") == {"EUR": -25, "USD": -5}
    assert worth(told, M.ORDER_PLACED) == {"EUR": 100}, "the window of the sale stays as it was"
    told.tell("a", "OrderCancelled", 7, order_id="1")
    assert worth(told, M.CUSTOMER_REVENUE) == {}, "a cancelled order is none, with all that was paid back of it"
    assert not told.entries(M.CUSTOMER, M.LEAD_CUSTOMER)
    assert told.entries(M.CUSTOMER, as_of=6.5)


def test_a_won_deal_counts_until_an_order_tells_what_was_bought() -> None:
    told = customer()
    told.tell("a", "OpportunityWon", 1, opportunity_id="x", amount="500")
    told.tell("a", "OpportunityWon", 2, opportunity_id="y", amount="70")
    told.tell("a", "OrderPlaced", 3, order_id="1", amount="480", opportunity_id="x")
    told.tell("a", "OrderPlaced", 5, order_id="2", amount="9")
    told.tell("a", "OrderCancelled", 7, order_id="2")
    assert worth(told, M.CUSTOMER_REVENUE, as_of=2) == {"EUR": 570}
    assert worth(told, M.CUSTOMER_REVENUE, as_of=4) == {"EUR": 550}
    assert worth(told, M.CUSTOMER_REVENUE, as_of=6) == {"EUR": 489}
    assert worth(told, M.CUSTOMER_REVENUE) == {"EUR": 550}
    assert worth(told, M.COHORT_REVENUE) == {"EUR": 550}


def test_an_order_makes_a_customer_and_the_first_that_stands_says_since_when() -> None:
    told = customer()
    told.tell("a", "OrderPlaced", 1, order_id="1", amount="0", product="trial")
    told.tell("a", "OrderPlaced", 4, order_id="2", amount="20")
    told.tell("a", "OrderPlaced", 6, order_id="3", amount="20")
    told.tell("a", "OrderCancelled", 9, order_id="1")
    (early,) = told.entries(M.CUSTOMER, as_of=8)
    (now,) = told.entries(M.CUSTOMER)
    assert (early.at, early.dims.product, now.at, now.dims.product) == (day(1), "trial", day(4), None)
    assert {one.cohort_at for one in told.entries(M.CUSTOMER_REVENUE)} == {day(4)}
    assert [one.at for one in told.entries(M.LEAD_CUSTOMER)] == [day(4)]
    assert [one.at for one in told.entries(M.CUSTOMER_REPEATED)] == [day(6)]


def test_who_left_is_a_customer_again_from_the_next_purchase_on() -> None:
    told = customer()
    told.tell("a", "CustomerChurned", 1).tell("a", "OrderPlaced", 2, order_id="1", amount="1")
    told.tell("a", "CustomerChurned", 10).tell("a", "CustomerChurned", 12)
    told.tell("a", "OrderPlaced", 20, order_id="2", amount="1").tell("a", "CustomerChurned", 20)
    assert [(one.cohort_at, one.at) for one in told.entries(M.CUSTOMER_LOST)] == [(day(2), day(10)), (day(20), day(20))]
    assert [(one.cohort_at, one.at) for one in told.entries(M.CUSTOMER_GONE)] == [(day(2), day(10)), (day(2), day(20))]
    assert [(one.cohort_at, one.at) for one in told.entries(M.CUSTOMER_RETURNED)] == [(day(2), day(20))]


def test_an_answer_answers_the_ask_before_it_once() -> None:
    told = customer().tell("a", "OrderPlaced", 1, order_id="1", amount="1")
    told.tell("a", "SatisfactionRecorded", 2, value=5.0, scale="csat").tell("a", "SatisfactionAsked", 3, scale="csat")
    told.tell("a", "SatisfactionAsked", 4, scale="csat").tell("a", "SatisfactionRecorded", 5, value=3.0, scale="csat")
    told.tell("a", "SatisfactionRecorded", 6, value=9.0, scale="nps")
    assert [one.at for one in told.entries(M.SATISFACTION_REPLIED)] == [day(4)]
    assert [one.at for one in told.entries(M.SATISFACTION_TOLD)] == [day(2), day(5)]
    assert [one.at for one in told.entries(M.SATISFIED)] == [day(2)]


@pytest.mark.parametrize(
    ("share", "months", "into", "expected"),
    [
        (0.03, 1, 12, 0.3061576),
        (0.3061576, 12, 1, 0.03),
        (0.0, 1, 12, 0.0),
        (1.0, 3, 1, 1.0),
        (None, 1, 12, None),
        (0.5, 0, 1, None),
    ],
)
def test_a_share_that_leaves_is_compounded(
    share: float | None, months: float, into: float, expected: float | None
) -> None:
    found = converted(share, months, into)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-7))


def test_a_month_is_one_of_the_calendar_whatever_its_days() -> None:
    jalali = Calendar(system="jalali")
    assert months_between(Calendar(), date(2026, 2, 1), date(2026, 3, 1)) == 1
    assert months_between(Calendar(), date(2026, 1, 1), date(2027, 1, 1)) == 12
    assert months_between(jalali, date(2026, 3, 21), date(2026, 4, 21)) == 1
    assert months_between(Calendar(), date(2026, 3, 1), date(2026, 3, 16)) == pytest.approx(15 / 30.436875)
    assert months_between(Calendar(), date(2026, 3, 2), date(2026, 3, 1)) == 0


def test_a_month_that_goes_on_is_as_long_as_where_most_of_it_has_passed_in_whatever_order_units_come() -> None:
    calendars = Calendars(zones={"auckland": ZoneInfo("Pacific/Auckland")})
    asked = Question(
        BY_ID["churn_rate"], datetime(2026, 3, 15, 22, tzinfo=UTC), 90, None, None, ("month",), {}, calendars
    )
    moved = [Change((unit,), date(2026, 2, 1), 5) for unit in ("auckland", "berlin")]
    for told in (moved, moved[::-1]):
        assert churned(asked, told, [])[("2026-03",)]["months"] == pytest.approx(15 / 30.436875)


def test_orders_of_two_ids_are_those_of_one_person_once_they_are_merged() -> None:
    told = customer().tell("b", "LeadCreated", 0, channel="web_form")
    told.tell("a", "OrderPlaced", 1, order_id="1", amount="10").tell("b", "OrderPlaced", 2, order_id="2", amount="5")
    told.tell("b", "OrderPlaced", 3, order_id="1", amount="10")
    (only,) = told.entries(M.CUSTOMER)
    assert only.at == day(1)
    assert worth(told, M.CUSTOMER_REVENUE) == {"EUR": 15}, "an order is one, from whichever id it is told"


@pytest.mark.parametrize(
    ("kpi", "version"),
    [("source_romi", 3), ("source_roi", 2), ("clv_revenue", 2), ("clv_observed", 2), ("top_customers", 2)],
)
def test_what_counts_customers_where_it_counted_purchases_or_currencies_has_another_version(
    kpi: str, version: int
) -> None:
    assert BY_ID[kpi].version == version, "a frozen answer of the version before counts something else"
