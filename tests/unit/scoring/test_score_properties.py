"""What holds for every ledger and every policy."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain import Touch, score
from shared.contracts.policy import EngagementRule, FitRule, Grade, Scoring
from tests.unit.scoring.builders import SCORING, an_id, at

points = st.integers(-80, 80)
some_text = st.sampled_from([None, "director", "Student", "vice president", "NL", "referral", ""])
kinds = st.sampled_from(["demo_request", "PAGE_VIEW", "page_view", "unsubscribe", "nothing special"])


@st.composite
def policies(draw: st.DrawFn) -> Scoring:
    fit = [
        FitRule(rule=f"fit {number}", field=field, points=draw(points), present=True)
        for number, field in enumerate(draw(st.lists(st.sampled_from(["email", "phone", "job_title", "country"]))))
    ]
    engagement = [
        EngagementRule(rule=f"does {number}", kind=kind, points=draw(points), at_most=draw(st.integers(1, 5)))
        for number, kind in enumerate(draw(st.lists(kinds)))
    ]
    return Scoring(
        fit=tuple(fit),
        engagement=tuple(engagement),
        fit_at_most=draw(st.integers(0, 120)),
        engagement_at_most=draw(st.integers(0, 120)),
        grades=(Grade(grade="hot", at_least=draw(st.integers(1, 100))), Grade(grade="cold", at_least=0)),
    )


@st.composite
def touches(draw: st.DrawFn, number: int) -> Touch:
    captured = draw(st.booleans())
    return Touch(
        lead_id=an_id(draw(st.integers(1, 2))),
        event_id=an_id(number),
        occurred_at=at(draw(st.integers(0, 3))),
        channel=draw(st.sampled_from(["referral", "web_form"])),
        kind=None if captured else draw(kinds),
        email=captured and draw(st.booleans()),
        phone=captured and draw(st.booleans()),
        job_title=draw(some_text) if captured else None,
        country=draw(some_text) if captured else None,
        consents={"email": draw(st.booleans())} if captured else None,
        attributes={"employees": draw(st.sampled_from([None, 3, 300, "400"]))} if captured else None,
    )


ledgers = st.integers(0, 12).flatmap(lambda size: st.tuples(*(touches(number) for number in range(size))))


@given(ledgers, policies())
def test_a_score_is_0_to_100_with_a_grade_of_the_policy(ledger: tuple[Touch, ...], scoring: Scoring) -> None:
    verdict = score(ledger, scoring)
    assert 0 <= verdict.score <= 100
    assert verdict.grade in {grade.grade for grade in scoring.grades if verdict.score >= grade.at_least}


@given(ledgers, policies())
def test_the_reasons_sum_to_the_score(ledger: tuple[Touch, ...], scoring: Scoring) -> None:
    verdict = score(ledger, scoring)
    assert sum(reason.points for reason in verdict.reasons) == verdict.score


@given(ledgers, policies())
def test_fit_and_engagement_stay_within_their_caps(ledger: tuple[Touch, ...], scoring: Scoring) -> None:
    verdict = score(ledger, scoring)
    assert verdict.fit <= scoring.fit_at_most
    assert verdict.engagement <= scoring.engagement_at_most
    assert verdict.score == min(max(verdict.fit + verdict.engagement, 0), 100)


@given(ledgers, st.randoms(use_true_random=False))
def test_the_order_of_the_ledger_does_not_matter(ledger: tuple[Touch, ...], shuffler: Random) -> None:
    shuffled = list(ledger)
    shuffler.shuffle(shuffled)
    assert score(shuffled, SCORING) == score(ledger, SCORING)


@given(ledgers, policies(), st.integers(1, 100))
def test_one_more_good_deed_never_costs_points(ledger: tuple[Touch, ...], scoring: Scoring, reward: int) -> None:
    rule = EngagementRule(rule="a good deed", kind="good deed", points=reward)
    kinder = scoring.model_copy(update={"engagement": (*scoring.engagement, rule)})
    deed = Touch(an_id(1), an_id("deed"), at(5), "web_form", kind="good deed")
    assert score((*ledger, deed), kinder).score >= score(ledger, kinder).score
