"""An explanation says everything that a score rests on, adds up, and says what would change it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given, settings

from services.scoring.domain import Explanation, Rulebook, Touch, explain
from shared.contracts.policy import Scoring
from tests.unit.scoring.builders import a_touch, a_visit, an_id, at, days
from tests.unit.scoring.test_score_properties import LATER, ledgers, policies, the_day

SCORING = Scoring.model_validate(
    {
        "segments": {"near": 'country in ["NL", "BE"]'},
        "fit": [
            {"rule": "decides", "when": 'job_title contains "chief" and country is known', "points": 20},
            {"rule": "reachable by phone", "field": "phone", "present": True, "points": 10},
            {"rule": "referred", "field": "channel", "one_of": ["referral"], "points": 5},
        ],
        "engagement": [
            {"rule": "asked for a demo", "kind": "demo_request", "points": 25},
            {"rule": "visited a page", "kind": "page_view", "points": 4, "at_most": 2},
            {"rule": "studies prices", "kind": "page_view", "when": 'value starts with "/p"', "times": 2, "points": 9},
            {"rule": "gone quiet", "silent_days": 45, "points": -15},
        ],
        "decay": {"page_view": {"half_life_days": 10, "expires_days": 60}},
        "grades": [{"grade": "A", "at_least": 40}, {"grade": "B", "at_least": 25}, {"grade": "C", "at_least": 0}],
    }
)
CAPTURE = a_touch(job_title="Chief of Staff", country="NL")
VISITS = [a_visit(number, days(number), value=value) for number, value in enumerate(["/prices", "/about", "/press"])]


def of(*touches: Touch, after_days: float) -> Explanation:
    return explain(Rulebook(SCORING), touches, at(days(after_days)))


def test_each_line_says_what_it_rests_on() -> None:
    why = of(CAPTURE, *VISITS, after_days=12)
    assert (why.score.score, why.score.grade, why.segments) == (29, "B", ("near",))
    lines = {line.rule: line for line in why.lines}
    assert {rule: line.points for rule, line in lines.items()} == {
        "decides": 20,
        "visited a page": 4,
        "studies prices": 5,
    }
    assert lines["decides"].because == "country is NL; job_title is Chief of Staff"
    assert lines["visited a page"].because == "3 times, 2 of them count"
    assert lines["studies prices"].because == "2 times; every 2 count once, at most 1"


def test_each_thing_done_is_listed_with_what_is_left_of_it() -> None:
    why = of(CAPTURE, *VISITS, after_days=12)
    [visited] = [line for line in why.lines if line.rule == "visited a page"]
    shown = [
        (one.event_id, one.occurred_at, one.points, one.remaining, one.points_now, one.why_not)
        for one in visited.entries
    ]
    assert shown == [
        (an_id(2), at(days(2)), 4, Decimal("0.5"), Decimal(2), None),
        (an_id(1), at(days(1)), 4, Decimal("0.466516"), Decimal("1.866064"), None),
        (an_id(0), at(0), 4, Decimal("0.435275"), Decimal(0), "beyond the 2 that count"),
    ]
    assert visited.rounding == Decimal("0.133936")
    [studies] = [line for line in why.lines if line.rule == "studies prices"]
    assert [one.why_not for one in studies.entries] == [None, "one of the 2 it takes"]


def test_what_expired_is_shown_as_gone() -> None:
    why = of(CAPTURE, VISITS[0], after_days=61)
    lines = {line.rule: line for line in why.lines}
    assert [one.why_not for one in lines["visited a page"].entries] == ["faded"]
    assert (lines["gone quiet"].points, lines["gone quiet"].because) == (-15, "nothing was heard for 61 days")


def test_an_explanation_as_of_a_moment_knows_nothing_later() -> None:
    why = of(CAPTURE, *VISITS, after_days=1.5)
    assert [len(line.entries) for line in why.lines if line.rule == "visited a page"] == [2]


def test_what_was_taken_back_is_named_and_counts_nothing() -> None:
    undo = a_visit("undo", days(3), kind="retraction", retracts=an_id(2))
    why = of(CAPTURE, *VISITS, undo, after_days=3)
    assert why.taken_back == (an_id(2),)
    assert all(one.event_id != an_id(2) for line in why.lines for one in line.entries)


def test_it_says_what_would_make_it_better_and_what_time_will_do() -> None:
    why = of(CAPTURE, a_visit("demo", kind="demo_request"), after_days=0)
    assert (why.score.score, why.score.grade, why.score.rating) == (45, "A", "C3")
    assert [(step.rule, step.score.score, step.score.rating) for step in why.better] == [
        ("reachable by phone", 55, "B3"),
        ("studies prices", 54, "C2"),
    ]
    assert [(change.at, change.score.score, change.score.grade) for change in why.changes] == [
        (datetime(2026, 4, 16, tzinfo=UTC), 30, "B")
    ]


@settings(deadline=None, max_examples=80)
@given(ledgers, policies(), LATER)
def test_lines_and_bounds_sum_to_the_score_and_entries_to_their_lines(
    ledger: tuple[Touch, ...], scoring: Scoring, later: int
) -> None:
    rulebook = Rulebook(scoring)
    why = explain(rulebook, ledger, the_day(later))
    assert why.score == rulebook.score(ledger, the_day(later))
    assert sum(line.points for line in why.lines) + sum(bound.points for bound in why.bounds) == why.score.score
    for line in why.lines:
        if line.entries:
            assert sum(one.points_now for one in line.entries) + line.rounding == line.points
            assert abs(line.rounding) <= Decimal("0.5")


@settings(deadline=None, max_examples=40)
@given(ledgers, policies(), LATER)
def test_what_time_will_do_is_what_it_does(ledger: tuple[Touch, ...], scoring: Scoring, later: int) -> None:
    rulebook = Rulebook(scoring)
    for change in explain(rulebook, ledger, the_day(later)).changes:
        assert rulebook.score(ledger, change.at) == change.score
