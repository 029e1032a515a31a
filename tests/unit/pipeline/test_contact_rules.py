"""A contact is allowed by consent, limits and the clock where the lead is; and if not, it is said when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.pipeline.domain.contact_rules import Attempt, Verdict, attempts_of, verdict
from services.pipeline.domain.facts import Fact
from services.pipeline.domain.message_ids import decided_id, message_id_of
from services.pipeline.domain.whereabouts import zones_of
from shared.contracts.policy import ContactRules
from tests.unit.pipeline.builders import START, an_id, at


def asked(
    rules: dict[str, Any],
    *attempts: Attempt,
    now: datetime = START,
    channel: str = "phone",
    zones: tuple[str, ...] = ("UTC",),
    **granted: bool,
) -> Verdict | None:
    return verdict(
        ContactRules.model_validate(rules),
        channel=channel,
        at=now,
        attempts=attempts,
        granted=granted,
        zones=[ZoneInfo(zone) for zone in zones],
    )


def test_without_rules_everything_is_allowed() -> None:
    assert asked({}, *(Attempt(START, "phone") for _ in range(50))) is None


def test_a_limit_counts_every_channel_and_says_when_there_is_room() -> None:
    rules = {"limits": [{"at_most": 2, "within_hours": 24}]}
    made = (Attempt(at(-600), "phone"), Attempt(at(-60), "email"))
    no = asked(rules, *made)
    assert no is not None
    assert (no.reason, no.allowed_at) == ("limit", at(-600 + 24 * 60))
    assert no.words == "2 attempts on all channels within 24 hours; 2 are allowed."
    assert asked(rules, *made[1:]) is None
    assert asked(rules, *made, now=at(-600 + 24 * 60)) is None


@pytest.mark.parametrize("channel", ["email", "Email", "E-MAIL", "e mail", "e_mail", "e‑mail", "ｅｍａｉｌ"])
def test_a_channel_is_the_same_however_it_is_spelled(channel: str) -> None:
    words: tuple[dict[str, Any], ...] = ({}, {"product-news": False}, {"PRODUCT_NEWS": False})
    no_mail: dict[str, Any] = {"E-Mail": False}
    for policy in ("email", "E-mail"):
        rules = {"consent": {policy: "Product news"}}
        for said in words:
            no = asked(rules, channel=channel, **said)
            assert no is not None
            assert no.reason == "consent"
        assert asked(rules, channel=channel, product_news=True) is None
        once = {"limits": [{"channel": policy, "at_most": 1, "within_hours": 48}]}
        no = asked(once, Attempt(at(-60), "E-Mail"), channel=channel)
        assert no is not None
        assert no.reason == "limit"
        night = {"quiet_hours": {"start": "00:00", "end": "23:59"}, "quiet_exempt": [policy]}
        assert asked(night, channel=channel) is None
    no = asked({}, channel=channel, **no_mail)
    assert no is not None
    assert no.words == f"They said that they want no {channel}."


def test_calls_are_counted_by_whatever_name_they_have() -> None:
    rules = {"limits": [{"channel": "phone", "at_most": 1, "within_hours": 24}]}
    for made in ("phone", "Phone", "call", "Telephone", "phone-call"):
        assert asked(rules, Attempt(at(-60), made), channel="Call") is not None
    assert asked(rules, Attempt(at(-60), "sms"), channel="Call") is None


def test_a_limit_of_a_channel_leaves_the_others_alone() -> None:
    rules = {"limits": [{"channel": "email", "at_most": 1, "within_hours": 48}]}
    made = Attempt(at(-60), "email")
    assert asked(rules, made) is None
    assert asked(rules, made, channel="email") is not None


def test_what_is_told_late_counts_what_was_made_after_it() -> None:
    rules = {"limits": [{"at_most": 2, "within_hours": 24}]}
    made = (Attempt(at(0), "phone"), Attempt(at(60), "phone"))
    assert asked(rules, *made, now=at(-1)) is not None
    assert asked(rules, made[0], Attempt(at(-23 * 60), "phone"), now=at(-1)) is not None
    assert asked(rules, *made, now=at(60 - 24 * 60)) is None
    no = asked(rules, *made, now=at(30))
    assert no is not None
    assert no.allowed_at == at(24 * 60)


def test_quiet_hours_are_those_where_the_lead_is() -> None:
    rules = {"quiet_hours": {"start": "21:00", "end": "08:00"}}
    assert asked(rules) is None
    no = asked(rules, zones=("America/New_York",))
    assert no is not None
    assert (no.reason, no.allowed_at) == ("quiet_hours", datetime(2026, 3, 2, 13, tzinfo=UTC))
    assert asked(rules, zones=("America/New_York",), channel="email") is None


def test_of_several_zones_each_has_to_be_awake() -> None:
    no = asked({"quiet_hours": {}}, zones=("America/New_York", "America/Los_Angeles"))
    assert no is not None
    assert no.allowed_at == datetime(2026, 3, 2, 16, tzinfo=UTC)


def test_room_that_comes_at_night_is_room_in_the_morning() -> None:
    rules = {"limits": [{"at_most": 1, "within_hours": 14}], "quiet_hours": {"start": "21:00", "end": "08:00"}}
    no = asked(rules, Attempt(START, "phone"))
    assert no is not None
    assert (no.reason, no.allowed_at) == ("limit", datetime(2026, 3, 3, 8, tzinfo=UTC))


def test_consent_goes_before_everything_and_time_does_not_give_it() -> None:
    rules = {"consent": {"email": "newsletter", "any": "contact"}, "limits": [{"at_most": 1, "within_hours": 1}]}
    no = asked(rules, Attempt(START, "phone"))
    assert no == Verdict("consent", "Consent to contact, which phone needs, was never given.", None)
    refused = asked(rules, contact=False)
    assert refused is not None
    assert "was refused" in refused.words
    assert asked(rules, contact=True) is None
    assert asked(rules, channel="email", contact=True) is not None
    assert asked(rules, channel="email", newsletter=True) is None


@pytest.mark.parametrize(
    ("phone", "zones"),
    [
        ("+31612345678", ["Europe/Amsterdam"]),
        ("+12125550100", ["America/New_York"]),
        ("+982112345678", ["Asia/Tehran"]),
        ("+80012345678", ["UTC"]),
        ("no number", ["UTC"]),
        (None, ["UTC"]),
    ],
)
def test_a_lead_is_where_its_number_is_and_otherwise_where_the_unit_is(phone: str | None, zones: list[str]) -> None:
    assert [zone.key for zone in zones_of({"phone": phone}, ZoneInfo("UTC"), START)] == zones


@pytest.mark.parametrize(
    ("known", "zones"),
    [
        ({"country": "IR"}, ["Asia/Tehran"]),
        ({"country": "nl", "phone": "+982112345678"}, ["Europe/Amsterdam"]),
        ({"country": "US", "phone": "+12125550100"}, ["America/New_York"]),
        ({"country": "RU", "phone": "+982112345678"}, ["Asia/Tehran"]),
        ({"country": "Atlantis", "phone": "+31612345678"}, ["Europe/Amsterdam"]),
        ({"time_zone": "Asia/Tokyo", "country": "NL", "phone": "+31612345678"}, ["Asia/Tokyo"]),
        ({"time_zone": "Nowhere", "country": "NL"}, ["Europe/Amsterdam"]),
    ],
)
def test_a_lead_is_where_they_said_then_in_their_country_then_where_their_number_is(
    known: dict[str, str], zones: list[str]
) -> None:
    assert [zone.key for zone in zones_of(known, ZoneInfo("UTC"), START)] == zones


def test_a_wide_country_is_all_of_its_zones() -> None:
    found = {zone.key for zone in zones_of({"country": "US"}, ZoneInfo("UTC"), START)}
    assert {"America/New_York", "America/Los_Angeles", "Pacific/Honolulu"} <= found


def test_a_clock_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValidationError, match="clock"):
        ContactRules.model_validate({"quiet_hours": {"start": "25:00"}})


RULES = st.fixed_dictionaries(
    {
        "limits": st.lists(
            st.fixed_dictionaries(
                {
                    "at_most": st.integers(1, 4),
                    "within_hours": st.integers(1, 100),
                    "channel": st.none() | st.sampled_from(["phone", "email"]),
                }
            ),
            max_size=3,
        ),
        "quiet_hours": st.none() | st.just({"start": "21:00", "end": "08:00"}) | st.just({"start": "12:00", "end": "13:30"}),
    }
)  # fmt: skip
ATTEMPTS = st.lists(
    st.builds(lambda hours, channel: Attempt(START - timedelta(hours=hours), channel), st.integers(0, 120), st.sampled_from(["phone", "email"])),
    max_size=12,
)  # fmt: skip


@given(
    RULES,
    ATTEMPTS,
    st.sampled_from(["phone", "email"]),
    st.integers(0, 400).map(lambda days: START + timedelta(hours=days)),
)
def test_when_it_is_said_to_be_allowed_it_is_and_not_before(
    rules: dict[str, Any], attempts: list[Attempt], channel: str, now: datetime
) -> None:
    zones = ("Europe/Amsterdam",)
    no = asked(rules, *attempts, now=now, channel=channel, zones=zones)
    if no is None:
        return
    assert no.allowed_at is not None
    assert no.allowed_at > now
    assert asked(rules, *attempts, now=no.allowed_at, channel=channel, zones=zones) is None
    before = no.allowed_at - timedelta(seconds=1)
    assert asked(rules, *attempts, now=before, channel=channel, zones=zones) is not None


def test_a_message_that_waited_counts_when_it_was_sent() -> None:
    lead_id, task_id = an_id(), an_id()
    message = {"kind": "email", "message_id": str(message_id_of(task_id)), "outbound": True}
    decided = Fact(lead_id, 1, "ContactAttempted", decided_id(message_id_of(task_id)), at(0), message)
    by_hand = Fact(lead_id, 2, "ContactAttempted", an_id(), at(5), {"kind": "phone", "outbound": True})
    sent = Fact(lead_id, 3, "FollowUpDone", an_id(), at(1_445), {"task_id": str(task_id), "outcome": "sent"})
    assert attempts_of([decided, by_hand]) == [Attempt(at(0), "email"), Attempt(at(5), "phone")]
    assert attempts_of([decided, by_hand, sent]) == [Attempt(at(1_445), "email"), Attempt(at(5), "phone")]
