"""A model at work: what it says of a lead, why, in words, and of whom it says nothing."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scoring.domain import Assessment, Case, Touch
from services.scoring.domain.model import UNITS_PER_LOG_ODD, AdditiveModel, Cell, Pair, Table
from services.scoring.domain.model.assessor import Expert, Experts, Lookup, Reading
from services.scoring.domain.model.words import feature_words, likelier
from services.scoring.learning.sheet import sheet
from tests.unit.scoring.builders import a_touch, a_visit, at, days
from tests.unit.scoring.test_score_properties import ledgers, the_day

MODEL = AdditiveModel(
    base=-20_000,
    tables=(
        Table("channel", (9_000, -4_000, 300, -100), levels={"referral": 0, "web_form": 1}),
        Table("phone", (-2_500, 5_000, 0, 0), levels={"false": 0, "true": 1}),
        Table("did.page_view", (0, 3_000, 6_000, -1_500), edges=(1.5, 3.5)),
        Table("days_since_last", (2_000, -3_000, -700), edges=(7.0,)),
        Table("attributes.employees", (-1_000, 4_000, 50), edges=(200.0,)),
        Table("job_title", (7_000, 10, -20), levels={"director": 0}),
        Table("consent.email", (1_200, -900, 30, 0), levels={"true": 0, "false": 1}),
        Table("last_7_days", (-40, 800, 5), edges=(2.0,)),
    ),
    pairs=(Pair(0, 1, tuple(tuple(10 * row + column for column in range(4)) for row in range(4))),),
)
EXPERT = Expert("opportunity-all-1", MODEL)
EXPERTS = Experts({"": EXPERT})
OF_CUSTOMERS = Expert("customer-all-1", AdditiveModel(-35_000, MODEL.tables[2:]))


def case(*touches: Touch, minutes: float = 60, unit: str = "default") -> Case:
    return Case(unit, touches, at(minutes))


def said(one: Case) -> Assessment:
    found = EXPERT.assessed(one)
    assert isinstance(found, Assessment)
    return found


def test_a_lead_is_assessed_with_its_strongest_reasons_in_words() -> None:
    found = said(case(a_touch(channel="Referral", phone=True, job_title="Director"), a_visit("v1"), a_visit("v2", 3)))
    assert [(one.feature, one.words, one.log_odds) for one in found.contributions] == [
        ("base", "how leads like these usually end", -2.0),
        ("channel", "came by referral: more likely", 0.9),
        ("job_title", "works as director: more likely", 0.7),
        ("phone", "phone number known: more likely", 0.5001),
        ("did.page_view", "looked at a page, 2 to 3 times: more likely", 0.3),
        ("days_since_last", "last active at most 6 days ago: more likely", 0.2),
        ("rest", "everything else together", 0.085),
    ]
    assert found.model_version == "opportunity-all-1"


@settings(deadline=None, max_examples=100)
@given(ledgers, st.integers(0, 60))
def test_the_contributions_sum_to_the_log_odds_of_the_probability(ledger: tuple[Touch, ...], later: int) -> None:
    one = Case("default", ledger, the_day(later))
    for found, most in ((EXPERT.assessed(one), 7), (EXPERT.explained(one), 9)):
        if not isinstance(found, Assessment):
            assert not any(touch.kind is None for touch in ledger)
            continue
        assert 0 <= found.probability <= 1
        units = sum(round(one.log_odds * UNITS_PER_LOG_ODD) for one in found.contributions)
        assert found.probability == round(1 / (1 + math.exp(-units / UNITS_PER_LOG_ODD)), 6)
        assert len(found.contributions) <= most


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 300), st.floats(), st.text(max_size=4), st.just("Referral")
)


@given(st.lists(st.tuples(st.sampled_from(MODEL.tables), VALUES), max_size=12))
def test_a_value_is_looked_up_as_its_table_says_however_often(asked: list[tuple[Table, Cell]]) -> None:
    lookups = {table.name: Lookup(table, frozenset({"n/a"})) for table in MODEL.tables}
    for table, value in asked:
        for _ in range(2):
            assert lookups[table.name].cell(value) == table.cell(value, frozenset({"n/a"}))


@pytest.mark.parametrize("value", [-1, -1.0, "-1", " -1 ", True, False, None])
def test_a_number_that_stands_for_silence_is_as_unknown_at_work_as_it_was_at_learning(value: Cell) -> None:
    silence = frozenset({"-1", "n/a"})
    table = Table("attributes.employees", (-1_000, 4_000, 50), edges=(200.0,))
    [column] = sheet([{table.name: one} for one in (value, "7", *range(300))], placeholders=silence).columns
    assert (column.numeric, column.cells[0]) == (True, None)
    assert (table.cell(value, silence), Lookup(table, silence).cell(value)) == (table.unknown, table.unknown)
    assert Lookup(table, silence).cell(300) == table.cell(300, silence) == 1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(ledgers, st.integers(-2, 60)), max_size=4), st.booleans())
def test_what_is_read_once_for_both_outcomes_is_what_each_would_have_read(
    leads: list[tuple[tuple[Touch, ...], int]], again: bool
) -> None:
    cases = [Case("default", ledger, the_day(later)) for ledger, later in leads]
    reading = Reading([EXPERT, OF_CUSTOMERS])
    for _ in range(1 + again):
        for expert in (EXPERT, OF_CUSTOMERS):
            shared = Experts({"": expert}, reading=reading).assess(cases)
            assert shared == Experts({"": expert}).assess(cases) == [expert.assessed(one) for one in cases]
        if cases:
            reading.of(list(cases), 0)


@settings(deadline=None, max_examples=60)
@given(ledgers, st.integers(0, 60), st.randoms(use_true_random=False))
def test_an_assessment_is_the_same_in_any_order(ledger: tuple[Touch, ...], later: int, chance: Random) -> None:
    shuffled = list(ledger)
    chance.shuffle(shuffled)
    moment = the_day(later)
    assert EXPERT.assessed(Case("default", shuffled, moment)) == EXPERT.assessed(Case("default", ledger, moment))


def test_what_had_not_happened_by_then_says_nothing() -> None:
    capture, visit = a_touch(channel="referral"), a_visit("v", days(3))
    assert said(case(capture, visit)) == said(case(capture))


def test_of_nobody_known_nothing_is_said() -> None:
    assert EXPERTS.assess([case(), case(a_visit("v"))]) == ["nothing_known", "nothing_known"]


@pytest.mark.parametrize(
    ("experts", "unit", "speaks"),
    [
        (Experts(), "europe", "none_active"),
        (Experts({"": EXPERT, "europe": EXPERT}, {}, lambda unit: unit == "europe"), "europe", "none_active"),
        (Experts({"": EXPERT}, {}, lambda unit: unit == "europe"), "tehran", EXPERT),
        (Experts({"": EXPERT}), "europe", EXPERT),
        (Experts({"": EXPERT, "europe": EXPERT}), "europe", EXPERT),
        (Experts({"europe": EXPERT}), "tehran", "none_active"),
        (Experts({}, {"": "too_little_data"}), "europe", "too_little_data"),
        (Experts({"": EXPERT}, {"europe": "too_little_data"}), "europe", EXPERT),
        (Experts({"": EXPERT}, {"europe": "unusable"}), "europe", "unusable"),
        (Experts({"europe": EXPERT}, {"": "unusable"}), "europe", EXPERT),
        (Experts({"europe": EXPERT}, {"": "unusable"}), "tehran", "unusable"),
    ],
)
def test_who_speaks_for_a_unit(experts: Experts, unit: str, speaks: object) -> None:
    assert experts.expert(unit) == speaks


@pytest.mark.parametrize(
    ("table", "cell", "words"),
    [
        (Table("source", (0, 0, 0), levels={"ads": 0}), 0, "source: ads"),
        (Table("source", (0, 0, 0), levels={"ads": 0}), 1, "source: one seldom seen"),
        (Table("source", (0, 0, 0), levels={"ads": 0}), 2, "source not known"),
        (Table("campaign", (0, 0, 0), levels={"a": 0, "b": 0}), 0, "campaign: one of several"),
        (Table("email", (0, 0, 0, 0), levels={"false": 0, "true": 1}), 0, "e-mail address not known"),
        (Table("interactions", (0, 0), edges=()), 1, "has done nothing yet"),
        (Table("captures", (0, 0, 0), edges=(1.5,)), 0, "wrote to us at most once"),
        (Table("did.meeting", (0, 0, 0, 0), edges=(1.0, 2.0)), 1, "met us, once"),
        (Table("did.meeting", (0, 0, 0, 0), edges=(1.0, 2.5)), 2, "met us, 3 or more times"),
        (Table("minutes", (0, 0, 0), edges=(2.5,)), 1, "2.5 or more minutes with us"),
        (Table("attributes.{budget}", (0, 0, 0), edges=(1_000.0,)), 1, "(budget): 1,000 or more"),
        (Table("did.custom_thing", (0, 0, 0), edges=(2.0,)), 2, "never: custom thing"),
    ],
)
def test_a_cell_in_words(table: Table, cell: int, words: str) -> None:
    assert feature_words(table, cell) == words


def test_a_reason_says_what_it_does_to_the_chances() -> None:
    assert [likelier("came by phone", units) for units in (5, -5)] == [
        "came by phone: more likely",
        "came by phone: less likely",
    ]
