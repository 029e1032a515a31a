"""What holds for every ledger, every policy and every day."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.scoring.domain import Judgement, Rulebook, Touch, explain, score
from shared.contracts.policy import Cap, Decay, EngagementRule, FitRule, Grade, Scoring
from tests.unit.scoring.builders import SCORING, an_id, at, days

patiently = settings(deadline=None, max_examples=60)
points = st.integers(-80, 80)
some_days = st.one_of(st.none(), st.integers(1, 40))
some_text = st.sampled_from([None, "director", "Student", "vice president", "NL", "referral", ""])
kinds = st.sampled_from(["demo_request", "PAGE_VIEW", "page_view", "unsubscribe", "nothing special"])
decays = st.builds(Decay, half_life_days=some_days, expires_days=some_days)
LATER = st.integers(0, 120)


@st.composite
def fit_rules(draw: st.DrawFn) -> tuple[FitRule, ...]:
    fields = draw(st.lists(st.sampled_from(["email", "phone", "job_title", "country"]), max_size=8))
    whens = draw(st.lists(st.sampled_from(['country == "NL"', 'segment == "bosses" or email is unknown']), max_size=2))
    rules = [FitRule(rule=f"fit {n}", field=field, points=draw(points), present=True) for n, field in enumerate(fields)]
    rules += [FitRule(rule=f"when {n}", when=when, points=draw(points)) for n, when in enumerate(whens)]
    return tuple(rules)


@st.composite
def engagement_rules(draw: st.DrawFn) -> tuple[EngagementRule, ...]:
    rules = []
    for number in range(draw(st.integers(0, 5))):
        fading = {"half_life_days": draw(some_days), "expires_days": draw(some_days)}
        rule: dict[str, object] = {"rule": f"does {number}", "points": draw(points), "at_most": draw(st.integers(1, 5))}
        shape = draw(st.sampled_from(["once", "several", "any", "threshold", "silent"]))
        if shape == "silent":
            rule = {
                "rule": f"silent {number}",
                "points": draw(st.integers(-80, -1)),
                "silent_days": draw(st.integers(1, 40)),
            }
        elif shape == "several":
            rule |= {"kinds": draw(st.lists(kinds, min_size=1, max_size=3)), **fading}
        elif shape == "threshold":
            rule |= {"kind": draw(kinds), "times": draw(st.integers(2, 3)), "within_days": draw(some_days), **fading}
        else:
            rule |= {"kind": "any" if shape == "any" else draw(kinds), **fading}
        if draw(st.booleans()):
            rule["group"] = "web"
        rules.append(EngagementRule.model_validate(rule))
    return tuple(rules)


@st.composite
def policies(draw: st.DrawFn) -> Scoring:
    engagement = draw(engagement_rules())
    grouped = any(rule.group for rule in engagement)
    cap = Cap(at_most=draw(st.integers(0, 60)), at_least=draw(st.integers(-60, 0)))
    return Scoring(
        fit=draw(fit_rules()),
        engagement=engagement,
        fit_at_most=draw(st.integers(0, 120)),
        engagement_at_most=draw(st.integers(0, 120)),
        engagement_at_least=draw(st.one_of(st.none(), st.integers(-60, 0))),
        caps={"web": cap} if grouped else {},
        segments={"bosses": 'job_title contains "director"'},
        decay=draw(st.dictionaries(st.one_of(kinds, st.just("any")), decays, max_size=3)),
        grades=(Grade(grade="hot", at_least=draw(st.integers(1, 100))), Grade(grade="cold", at_least=0)),
        retell_points=draw(st.sampled_from([1, 7, 100])),
    )


@st.composite
def touches(draw: st.DrawFn, number: int) -> Touch:
    captured = draw(st.booleans())
    return Touch(
        lead_id=an_id(draw(st.integers(1, 2))),
        event_id=an_id(number),
        occurred_at=at(days(draw(st.integers(0, 3)) + draw(st.sampled_from([0, 0, 0.3, 20])))),
        channel=draw(st.sampled_from(["referral", "web_form"])),
        kind=None if captured else draw(kinds),
        email=captured and draw(st.booleans()),
        phone=captured and draw(st.booleans()),
        job_title=draw(some_text) if captured else None,
        country=draw(some_text) if captured else None,
        consents={"email": draw(st.booleans())} if captured else None,
        attributes={"employees": draw(st.sampled_from([None, 3, 300, "400"]))} if captured else None,
        retracts=None if captured else draw(st.sampled_from([None, None, an_id(0), an_id(1)])),
    )


ledgers = st.integers(0, 12).flatmap(lambda size: st.tuples(*(touches(number) for number in range(size))))


def the_day(later: float) -> datetime:
    """A day after everything that ledgers tell of."""
    return at(days(23 + later))


@patiently
@given(ledgers, policies(), LATER)
def test_a_score_is_0_to_100_with_a_grade_of_the_policy(
    ledger: tuple[Touch, ...], scoring: Scoring, later: int
) -> None:
    verdict = score(ledger, scoring, the_day(later))
    assert 0 <= verdict.score <= 100
    assert verdict.grade in {grade.grade for grade in scoring.grades if verdict.score >= grade.at_least}
    assert verdict.rating is not None
    assert verdict.rating[0] in "ABCD"
    assert verdict.rating[1] in "1234"


@patiently
@given(ledgers, policies(), LATER)
def test_the_reasons_sum_to_the_score(ledger: tuple[Touch, ...], scoring: Scoring, later: int) -> None:
    verdict = score(ledger, scoring, the_day(later))
    assert sum(reason.points for reason in verdict.reasons) == verdict.score


@patiently
@given(ledgers, policies(), LATER)
def test_at_most_five_reasons_either_way_are_told(ledger: tuple[Touch, ...], scoring: Scoring, later: int) -> None:
    told = [reason.points for reason in score(ledger, scoring, the_day(later)).reasons if reason.group != "range"]
    assert len([one for one in told if one > 0]) <= 5
    assert len([one for one in told if one < 0]) <= 5
    assert 0 not in told


@patiently
@given(ledgers, policies(), LATER)
def test_fit_and_engagement_stay_within_their_caps(ledger: tuple[Touch, ...], scoring: Scoring, later: int) -> None:
    verdict = score(ledger, scoring, the_day(later))
    assert verdict.fit <= scoring.fit_at_most
    assert verdict.engagement <= scoring.engagement_at_most
    assert scoring.engagement_at_least is None or verdict.engagement >= scoring.engagement_at_least
    assert verdict.score == min(max(verdict.fit + verdict.engagement, 0), 100)


@patiently
@given(ledgers, policies(), st.randoms(use_true_random=False), LATER)
def test_the_order_of_the_ledger_does_not_matter(
    ledger: tuple[Touch, ...], scoring: Scoring, shuffler: Random, later: int
) -> None:
    shuffled = list(ledger)
    shuffler.shuffle(shuffled)
    rulebook = Rulebook(scoring)
    assert Rulebook(scoring).judge(shuffled, the_day(later)) == rulebook.judge(ledger, the_day(later))


@patiently
@given(ledgers, policies(), LATER, LATER)
def test_what_was_judged_before_changes_no_verdict(
    ledger: tuple[Touch, ...], scoring: Scoring, one: int, other: int
) -> None:
    rulebook = Rulebook(scoring)
    rulebook.judge(ledger, the_day(one))
    rulebook.judge(ledger[:3], the_day(other))
    assert rulebook.judge(ledger, the_day(other)) == Rulebook(scoring).judge(ledger, the_day(other))


@patiently
@given(ledgers, policies(), LATER, st.integers(0, 300))
def test_waiting_never_raises_a_score_unless_the_policy_lets_a_penalty_fade(
    ledger: tuple[Touch, ...], scoring: Scoring, one: int, longer: int
) -> None:
    fading = [rule for rule in scoring.engagement if rule.points < 0 and (rule.half_life_days or rule.expires_days)]
    if fading:
        scoring = scoring.model_copy(
            update={"engagement": tuple(rule for rule in scoring.engagement if rule not in fading)}
        )
    sooner, afterwards = (score(ledger, scoring, the_day(later)) for later in (one, one + longer))
    assert afterwards.score <= sooner.score
    assert afterwards.engagement <= sooner.engagement
    assert afterwards.fit == sooner.fit


@patiently
@given(ledgers, policies(), LATER)
def test_the_day_on_which_time_changes_what_is_told_is_exactly_known(
    ledger: tuple[Touch, ...], scoring: Scoring, later: int
) -> None:
    rulebook = Rulebook(scoring)
    now = rulebook.judge(ledger, the_day(later))

    def differs(then: Judgement) -> bool:
        told, tells = now.score, then.score
        return (told.grade, told.rating) != (tells.grade, tells.rating) or abs(
            told.score - tells.score
        ) >= scoring.retell_points

    midnight = the_day(later).replace(hour=0)
    for ahead in range(1, 90):
        moment = midnight + timedelta(days=ahead)
        if differs(rulebook.judge(ledger, moment)):
            assert now.changes_at == moment
            return
    assert now.changes_at is None or now.changes_at > moment


@patiently
@given(ledgers, policies(), st.integers(1, 100), LATER, st.integers(1, 3), some_days)
def test_one_more_good_deed_never_costs_points(
    ledger: tuple[Touch, ...], scoring: Scoring, reward: int, later: int, times: int, half_life: int | None
) -> None:
    silent = [rule for rule in scoring.engagement if rule.kind == "any" and rule.points < 0]
    others = tuple(rule for rule in scoring.engagement if rule not in silent)
    rule = EngagementRule(
        rule="a good deed", kind="nothing special", points=reward, times=times, half_life_days=half_life, at_most=2
    )
    kinder = scoring.model_copy(
        update={
            "engagement": (*(one for one in others if "nothing special" not in one.names or one.points > 0), rule),
            "caps": {},
        }
    )
    kinder = kinder.model_copy(
        update={"engagement": tuple(one.model_copy(update={"group": None}) for one in kinder.engagement)}
    )
    known = (Touch(an_id(1), an_id("known"), at(0), "web_form"), *ledger)
    deed = Touch(an_id(1), an_id("deed"), at(days(5)), "web_form", kind="nothing special")
    assert score((*known, deed), kinder, the_day(later)).score >= score(known, kinder, the_day(later)).score


def test_a_good_deed_counts_at_once() -> None:
    ledger = [Touch(an_id(1), an_id(1), at(0), "web_form")]
    deed = Touch(an_id(1), an_id(2), at(1), "web_form", kind="demo_request")
    assert score([*ledger, deed], SCORING).score == 20


@patiently
@given(ledgers, policies(), LATER)
def test_what_a_capped_group_counts_stays_within_its_cap(
    ledger: tuple[Touch, ...], scoring: Scoring, later: int
) -> None:
    """Of all reasons, the weaker ones too."""
    if not scoring.caps:
        return
    found = explain(Rulebook(scoring), ledger, the_day(later))
    grouped = {rule.rule for rule in scoring.engagement if rule.group == "web"}
    cap = scoring.caps["web"]
    points = sum(line.points for line in found.lines if line.rule in grouped)
    points += sum(bound.points for bound in found.bounds if bound.rule.startswith("web counts at "))
    assert (cap.at_least or 0) <= points <= (cap.at_most or 0)
