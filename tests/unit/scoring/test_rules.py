"""What makes points: rules as tables."""

from __future__ import annotations

from typing import Any

import pytest

from services.scoring.domain import Keeping, Keepings, score, stored_attributes, touch
from shared.contracts.capture_events import Consent, Identity, Personal
from shared.contracts.policy import Policy, Scoring
from tests.unit.scoring.builders import POLICY, SCORING, a_touch, a_visit, captured, interacted


def points_of(rule: dict[str, Any], **profile: Any) -> int:
    scoring = Scoring.model_validate({"fit": [{"rule": "it", "points": 7, **rule}]})
    return score([a_touch(**profile)], scoring).fit


@pytest.mark.parametrize(
    ("rule", "profile", "holds"),
    [
        ({"field": "email", "present": True}, {"email": True}, True),
        ({"field": "email", "present": True}, {"email": False}, False),
        ({"field": "phone", "present": False}, {"phone": False}, True),
        ({"field": "phone", "present": False}, {"phone": True}, False),
        ({"field": "company", "present": True}, {"company": True}, True),
        ({"field": "country", "equals": "nl"}, {"country": "NL"}, True),
        ({"field": "country", "equals": "NL"}, {}, False),
        ({"field": "source", "one_of": ["Google", "bing"]}, {"source": "google "}, True),
        ({"field": "source", "one_of": ["Google", "bing"]}, {"source": "googles"}, False),
        ({"field": "channel", "one_of": ["web_form"]}, {}, True),
        ({"field": "language", "equals": "fa"}, {"language": "FA"}, True),
        ({"field": "product", "present": True}, {"product": "loan"}, True),
        ({"field": "campaign", "contains": ["spring"]}, {"campaign": "2026 Spring-sale"}, True),
        ({"field": "job_title", "contains": ["cto"]}, {"job_title": "Director of sales"}, False),
        ({"field": "job_title", "contains": ["CTO"]}, {"job_title": "Founder/cto"}, True),
        ({"field": "job_title", "contains": ["vice president"]}, {"job_title": "Vice-President, Sales"}, True),
        ({"field": "job_title", "contains": ["vice president"]}, {"job_title": "president and vice"}, False),
        ({"field": "job_title", "contains": ["مدیر"]}, {"job_title": "مدیر فروش"}, True),
        ({"field": "consent", "present": True}, {"consents": {"email": True}}, True),
        ({"field": "consent", "present": True}, {"consents": {"email": False}}, False),
        ({"field": "consent", "equals": "Email"}, {"consents": {"sms": True, "email": True}}, True),
        ({"field": "attributes.size", "at_least": 200}, {"attributes": {"size": 200}}, True),
        ({"field": "attributes.size", "at_least": 200}, {"attributes": {"size": "250.5"}}, True),
        ({"field": "attributes.size", "at_least": 200}, {"attributes": {"size": "۲۵۰"}}, True),
        ({"field": "attributes.size", "at_least": 200}, {"attributes": {"size": "many"}}, False),
        ({"field": "attributes.size", "at_least": 200}, {"attributes": {"size": "inf"}}, False),
        ({"field": "attributes.size", "at_least": 0}, {"attributes": {"size": True}}, False),
        ({"field": "attributes.size", "at_least": 200}, {"attributes": {"other": 999}}, False),
        ({"field": "attributes.vip", "equals": True}, {"attributes": {"vip": True}}, True),
        ({"field": "attributes.vip", "equals": True}, {"attributes": {"vip": "True"}}, True),
        ({"field": "attributes.vip", "present": True}, {"attributes": {"vip": False}}, True),
        ({"field": "attributes.size", "equals": 5}, {"attributes": {"size": 5.0}}, True),
        ({"field": "attributes.size", "equals": 5}, {"attributes": {"size": "5"}}, True),
        ({"field": "attributes.a.b", "equals": "x"}, {"attributes": {"a.b": "X"}}, True),
    ],
)
def test_a_fit_rule_gives_its_points_where_its_comparison_holds(
    rule: dict[str, Any], profile: dict[str, Any], holds: bool
) -> None:
    assert points_of(rule, **profile) == (7 if holds else 0)


def test_the_latest_known_value_of_a_field_counts() -> None:
    ledger = [
        a_touch("first", 0, job_title="Director"),
        a_touch("second", 1, job_title="Student"),
        a_touch("third", 2, country="NL"),
    ]
    assert [reason.rule for reason in score(ledger, SCORING).reasons if reason.group == "fit"] == ["student"]


def test_an_address_once_known_stays_known() -> None:
    ledger = [a_touch("first", 0, email=True), a_touch("second", 1)]
    assert score(ledger, SCORING).fit == 10


def test_the_channel_is_that_of_the_first_capture() -> None:
    late_referral = [a_touch("first", 0), a_touch("second", 1, channel="referral"), a_visit("earlier", -5)]
    assert score(late_referral, SCORING).fit == 0
    assert score([a_touch("before", -1, channel="Referral"), *late_referral], SCORING).fit == 5


def test_consent_is_withdrawn_however_the_purpose_is_spelled() -> None:
    scoring = Scoring.model_validate({"fit": [{"rule": "it", "field": "consent", "present": True, "points": 7}]})
    given = a_touch("first", 0, consents={"product news": True})
    for purpose in ("Product News", "product-news", "PRODUCT_NEWS"):
        assert score([given, a_touch("second", 1, consents={purpose: False})], scoring).fit == 0
    assert score([given, a_touch("second", 1, consents={"ads": False})], scoring).fit == 7


def test_consent_withdrawn_later_is_no_consent() -> None:
    scoring = Scoring.model_validate({"fit": [{"rule": "it", "field": "consent", "present": True, "points": 7}]})
    given, withdrawn = a_touch("first", 0, consents={"email": True}), a_touch("second", 1, consents={"email": False})
    assert score([given], scoring).fit == 7
    assert score([withdrawn, given], scoring).fit == 0


@pytest.mark.parametrize(("visits", "engagement"), [(0, 0), (1, 4), (3, 12), (4, 12), (50, 12)])
def test_an_engagement_rule_counts_at_most_so_often(visits: int, engagement: int) -> None:
    ledger = [a_touch(), *(a_visit(number, kind="Page_View") for number in range(visits))]
    assert score(ledger, SCORING).engagement == engagement


def test_a_kind_no_rule_names_counts_nothing() -> None:
    assert score([a_touch(), a_visit("odd", kind="stared_at_logo")], SCORING).engagement == 0


@pytest.mark.parametrize(
    ("profile", "kinds", "points", "grade", "cuts"),
    [
        ({}, [], 0, "C", {}),
        ({"email": True, "phone": True}, [], 25, "B", {}),
        ({"email": True, "phone": True, "job_title": "director"}, [], 40, "B", {"fit counts at most 40": -10}),
        ({}, ["demo_request", *["page_view"] * 3], 30, "B", {"engagement counts at most 30": -2}),
        ({"job_title": "student"}, [], 0, "C", {"a score is at least 0": 50}),
        (
            {"email": True, "phone": True, "job_title": "director"},
            ["demo_request", *["page_view"] * 3],
            70,
            "A",
            {"fit counts at most 40": -10, "engagement counts at most 30": -2},
        ),
    ],
)
def test_caps_and_range_hold_and_say_what_they_cut(
    profile: dict[str, Any], kinds: list[str], points: int, grade: str, cuts: dict[str, int]
) -> None:
    verdict = score([a_touch(**profile), *(a_visit(number, 0, kind) for number, kind in enumerate(kinds))], SCORING)
    assert (verdict.score, verdict.grade) == (points, grade)
    assert {reason.rule: reason.points for reason in verdict.reasons if reason.group == "range"} == cuts


def test_a_score_ends_at_a_hundred() -> None:
    rules = [{"rule": str(number), "field": "email", "present": True, "points": 60} for number in range(2)]
    verdict = score([a_touch(email=True)], Scoring.model_validate({"fit": rules, "fit_at_most": 200}))
    assert (verdict.score, verdict.fit, verdict.reasons[-1].points) == (100, 120, -20)


def test_the_ledger_keeps_that_an_address_is_known_and_never_which() -> None:
    event = captured(
        personal=Personal(name="Ada", email="info@example.org", message="call me"),
        identities=(Identity(kind="phone", token="ab" * 16),),
        company="Ada Limited",
        job_title="Owner",
        consents=(Consent(purpose="email"), Consent(purpose="sms", granted=False)),
        attributes={"employees": "250", "nickname": "Countess", "list": [1]},
    )
    kept = touch(event, Keepings(POLICY).of("default"))
    assert (kept.email, kept.phone, kept.company, kept.job_title) == (True, True, True, "Owner")
    assert kept.consents == {"email": True, "sms": False}
    assert kept.attributes == {"employees": "250"}
    assert not any(word in repr(kept) for word in ("Ada", "example.org", "call me", "Countess"))


def test_an_interaction_is_kept_with_what_rules_may_ask_of_it() -> None:
    event = interacted(
        kind="webinar_attended", value="45", campaign="spring", attributes={"employees": 3, "nick": "Ada"}
    )
    kept = touch(event, Keeping({"employees"}))
    assert (kept.kind, kept.value, kept.campaign, kept.email) == ("webinar_attended", "45", "spring", False)
    assert kept.attributes == {"employees": 3}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("/pricing?email=ada@example.org#top", "/pricing"),
        ("https://example.org/pricing?who=ada", "https://example.org/pricing"),
        ("Why? Because.", "Why? Because."),
        (None, None),
    ],
)
def test_of_a_pages_address_only_the_page_is_kept(value: str | None, kept: str | None) -> None:
    assert touch(interacted(value=value), Keeping()).value == kept


def test_attributes_of_every_unit_are_kept() -> None:
    rule = {"rule": "it", "field": "attributes.branches", "present": True, "points": 1}
    document = {"version": "1", "business_units": {"north": {"scoring": {"fit": [rule]}}}}
    assert stored_attributes(Policy.model_validate(document)) == {"branches"}
