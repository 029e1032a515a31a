"""Conditions, segments and variants, thresholds, caps of groups, ratings: rules as tables."""

from __future__ import annotations

from typing import Any

import pytest

from services.scoring.domain import Rulebook, Score, Touch
from shared.contracts.policy import Scoring
from tests.unit.scoring.builders import a_touch, a_visit, an_id, at, days


def judged(scoring: dict[str, Any], *touches: Touch, after_days: float | None = None) -> Score:
    rulebook = Rulebook(Scoring.model_validate(scoring))
    return rulebook.score(touches, None if after_days is None else at(days(after_days)))


def given(score: Score) -> dict[str, int]:
    return {reason.rule: reason.points for reason in score.reasons}


@pytest.mark.parametrize(
    ("profile", "points"),
    [
        ({"job_title": "Chief of Staff", "country": "NL", "attributes": {"employees": 200}}, 7),
        ({"job_title": "Chief of Staff", "country": "NL", "attributes": {"employees": 199}}, 0),
        ({"job_title": "Chief of Staff", "country": "BE", "attributes": {"employees": 999}}, 0),
        ({"country": "NL"}, 0),
    ],
)
def test_a_fit_rule_may_be_a_whole_condition(profile: dict[str, Any], points: int) -> None:
    when = 'job_title contains ["chief", "head of"] and attributes.employees >= 200 and country in ["NL", "DE"]'
    assert judged({"fit": [{"rule": "it", "when": when, "points": 7}]}, a_touch(**profile)).fit == points


LARGE = {"large": "attributes.employees >= 1000", "near": 'country in ["NL", "BE"]'}


def test_a_rule_may_ask_for_a_segment_and_the_score_says_which_there_are() -> None:
    scoring = {"segments": LARGE, "fit": [{"rule": "it", "when": 'segment == "large" and email is known', "points": 7}]}
    rulebook = Rulebook(Scoring.model_validate(scoring))
    large = rulebook.judge([a_touch(email=True, country="NL", attributes={"employees": 5000})])
    assert (large.score.fit, large.segments) == (7, ("large", "near"))
    small = rulebook.judge([a_touch(email=True, country="NL", attributes={"employees": 5})])
    assert (small.score.fit, small.segments) == (0, ("near",))


def test_the_first_variant_that_fits_puts_its_own_in_the_place_of_the_units_rules() -> None:
    def fit(points: int) -> list[dict[str, Any]]:
        return [{"rule": "it", "field": "email", "present": True, "points": points}]

    scoring = {
        "segments": LARGE,
        "fit": fit(1),
        "engagement": [{"rule": "demo", "kind": "demo_request", "points": 20}],
        "variants": [
            {"variant": "large loans", "products": ["Loan"], "segments": ["large"], "fit": fit(2)},
            {"variant": "loans", "products": ["loan"], "fit": fit(3), "engagement": []},
            {"variant": "large", "segments": ["large"], "fit": fit(4)},
        ],
    }
    demo = a_visit("demo", kind="demo_request")

    def fitting(product: str | None, employees: int) -> tuple[int, int]:
        score = judged(scoring, a_touch(email=True, product=product, attributes={"employees": employees}), demo)
        return score.fit, score.engagement

    assert fitting("loan", 5000) == (2, 20)
    assert fitting("LOAN", 5) == (3, 0)
    assert fitting("card", 5000) == (4, 20)
    assert fitting(None, 5) == (1, 20)


PRICES = {"rule": "prices", "kind": "page_view", "when": 'value starts with "/pricing"', "points": 12}


def test_an_engagement_rule_may_ask_about_each_interaction() -> None:
    visits = [a_visit(number, number, value=value) for number, value in enumerate(["/pricing/eu", "/blog", "/PRICING"])]
    assert judged({"engagement": [{**PRICES, "at_most": 5}]}, *visits).engagement == 24
    minutes = {"rule": "stayed", "kind": "webinar_attended", "when": "value >= 30", "points": 9}
    stayed, left = (a_visit(value, kind="webinar_attended", value=value) for value in ("45", "5"))
    assert judged({"engagement": [minutes]}, left).engagement == 0
    assert judged({"engagement": [minutes]}, left, stayed).engagement == 9


@pytest.mark.parametrize(
    ("on_days", "at_most", "points"),
    [
        ([0, 1], 1, 0),
        ([0, 3, 7], 1, 12),
        ([0, 3, 7.01], 1, 0),
        ([0, 20, 40, 42, 44], 1, 12),
        ([0, 1, 2, 3, 4], 2, 12),
        ([0, 1, 2, 3, 4, 5], 2, 24),
        ([0, 1, 2, 3, 4, 5], 1, 12),
    ],
)
def test_a_threshold_takes_so_many_within_so_many_days(on_days: list[float], at_most: int, points: int) -> None:
    rule = {**PRICES, "times": 3, "within_days": 7, "at_most": at_most}
    visits = [a_visit(number, days(day), value="/pricing") for number, day in enumerate(on_days)]
    assert judged({"engagement": [rule]}, *reversed(visits)).engagement == points


def test_a_rule_may_speak_of_several_kinds_or_of_any() -> None:
    visits = [a_visit(number, kind=kind) for number, kind in enumerate(["call", "Meeting", "page_view"])]
    talked = {"rule": "talked", "kinds": ["call", "meeting"], "points": 5, "at_most": 9}
    did = {"rule": "did something", "kind": "any", "points": 1, "at_most": 9}
    assert given(judged({"engagement": [talked, did]}, *visits)) == {"talked": 10, "did something": 3}


@pytest.mark.parametrize(("days_later", "points"), [(0, 10), (44.4, 10), (45, 0), (400, 0)])
def test_silence_takes_points_away(days_later: float, points: int) -> None:
    scoring = {
        "fit": [{"rule": "known", "field": "email", "present": True, "points": 10}],
        "engagement": [{"rule": "gone quiet", "silent_days": 45, "points": -15}],
    }
    assert judged(scoring, a_touch(email=True), after_days=days_later).score == points
    spoke = a_visit("again", days(days_later))
    assert judged(scoring, a_touch(email=True), spoke, after_days=days_later).score == 10


def test_the_rules_of_a_group_count_together_within_its_cap() -> None:
    scoring = {
        "engagement": [
            {"rule": "saw a page", "kind": "page_view", "points": 6, "at_most": 9, "group": "web"},
            {"rule": "asked", "kind": "demo_request", "points": 20},
            {"rule": "left", "kind": "unsubscribe", "points": -30, "group": "refusals"},
            {"rule": "complained", "kind": "complaint", "points": -30, "group": "refusals"},
        ],
        "caps": {"web": {"at_most": 15}, "refusals": {"at_least": -40}},
        "engagement_at_least": -20,
    }
    visits = [a_visit(number) for number in range(4)]
    asked, left, complained = (a_visit(kind, kind=kind) for kind in ("demo_request", "unsubscribe", "complaint"))
    assert given(judged(scoring, *visits, asked)) == {"saw a page": 24, "asked": 20, "web counts at most 15": -9}
    refused = judged(scoring, left, complained)
    assert refused.engagement == -20
    assert given(refused) == {
        "left": -30,
        "complained": -30,
        "refusals counts at least -40": 20,
        "engagement counts at least -20": 20,
        "a score is at least 0": 20,
    }


def test_only_the_strongest_five_either_way_are_told_and_all_reasons_sum() -> None:
    points = [3, -1, 9, 4, -8, 7, 1, 5, 2, -2, -3, -4, -5]
    rules = [
        {"rule": f"rule {number}", "field": "email", "present": True, "points": worth}
        for number, worth in enumerate(points)
    ]
    score = judged({"fit": rules}, a_touch(email=True))
    assert [reason.points for reason in score.reasons] == [3, 9, 4, -8, 7, 5, -2, -3, -4, -5, 2]
    assert (score.reasons[-1].rule, score.reasons[-1].group) == ("3 weaker reasons", "range")
    assert score.score == sum(points)


@pytest.mark.parametrize(
    ("fit", "engagement", "rating", "temperature"),
    [
        (45, 45, "A1", "hot"),
        (44, 45, "B1", "hot"),
        (30, 30, "B2", "warm"),
        (15, 44, "C2", "warm"),
        (14, 14, "D4", "cold"),
    ],
)
def test_a_rating_is_a_letter_for_fit_and_a_number_for_engagement(
    fit: int, engagement: int, rating: str, temperature: str
) -> None:
    scoring = {
        "fit": [{"rule": "it", "field": "email", "present": True, "points": fit}],
        "engagement": [{"rule": "did", "kind": "call", "points": engagement}],
    }
    score = judged(scoring, a_touch(email=True), a_visit("call", kind="call"))
    assert (score.rating, score.temperature) == (rating, temperature)


def test_the_policy_may_say_where_ratings_begin_and_what_is_hot() -> None:
    scoring = {
        "fit": [{"rule": "it", "field": "email", "present": True, "points": 20}],
        "ratings": {"fit": [20, 10, 5], "hot": ["A4"], "warm": ["B4"]},
    }
    score = judged(scoring, a_touch(email=True))
    assert (score.rating, score.temperature, score.grade) == ("A4", "hot", "C")


def test_a_retracted_interaction_takes_its_points_back_whenever_it_is_learned() -> None:
    scoring = {"engagement": [{"rule": "demo", "kind": "demo_request", "points": 20}]}
    demo, other = a_visit("demo", 1, kind="demo_request"), a_visit("other", 1, kind="call")
    retraction = a_visit("undo", 5, kind="retraction", retracts=an_id("demo"))
    unasked = a_visit("undo other", 5, kind="demo_request", retracts=an_id("other"))
    for ledger in ([a_touch(), demo, retraction], [retraction, demo, a_touch()]):
        assert judged(scoring, *ledger).engagement == 0
    assert judged(scoring, a_touch(), demo, other, unasked).engagement == 20
