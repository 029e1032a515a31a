"""Where webhooks may go, who hears what, and what becomes of a delivery by how it was answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.webhook_rules import (
    KINDS,
    LONGEST_ASKED_FOR,
    OF_EACH_ID,
    RESTS_FROM,
    Answer,
    Patience,
    is_given_up,
    message,
    message_id,
    settle,
    wants,
)
from shared.contracts.standard_webhooks import signed_headers
from shared.kit.errors import Rejected
from shared.kit.outside import Rules, chosen, target_of
from shared.kit.posting import retry_after

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PATIENCE = Patience((timedelta(seconds=10), timedelta(seconds=60)), timedelta(days=5))
PUBLIC = Rules()


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3", "192.168.0.1", "172.16.5.4", "127.0.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",  # noqa: S104
        "240.0.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::a00:1", "2002:a00:1::1", "fec0::1", "64:ff9b:1::5db8:d822", "64:ff9b:1:a00:1::1",
    ],
)  # fmt: skip
def test_no_name_leads_into_a_network_that_is_not_public(address: str) -> None:
    target = target_of("https://crm.example/hooks", PUBLIC)
    assert chosen([address], target, PUBLIC) is None
    assert chosen(["93.184.216.34", address], target, PUBLIC) is None
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Rejected, match="not public"):
        target_of(f"https://{host}/hooks", PUBLIC)


def test_a_public_address_is_asked_by_its_number_under_its_name() -> None:
    target = target_of("https://crm.example:8443/hooks?a=b", PUBLIC)
    address = chosen(["93.184.216.34"], target, PUBLIC)
    assert address is not None
    assert target.at(address) == "https://93.184.216.34:8443/hooks?a=b"
    assert target.authority == "crm.example:8443"


def test_a_network_of_ones_own_may_be_allowed_and_this_machine_by_http_alone() -> None:
    own = Rules(networks=(ip_network("10.1.0.0/16"),))
    target = target_of("https://crm.internal/", own)
    assert chosen(["10.1.2.3"], target, own) is not None
    assert chosen(["10.2.2.3"], target, own) is None
    loopback = Rules(http_to_loopback=True)
    here = target_of("http://localhost:9000/", loopback)
    assert chosen(["127.0.0.1"], here, loopback) is not None
    assert chosen(["93.184.216.34"], here, loopback) is None


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://crm.example/", "not https"),
        ("ftp://crm.example/", "no https URL"),
        ("https:///hooks", "no https URL"),
        ("https://user:word@crm.example/", "a user"),
        ("https://crm.example/#part", "a fragment"),
        ("https://crm.example/a b", "characters"),
        ("https://crm.example:99999/", "no URL"),
        ("https://crm.example/" + "a" * 3000, "length"),
        ("https://a..b/", "no server can have"),
        ("https://.crm.example/", "no server can have"),
        ("https://crm.example../", "no server can have"),
        (f"https://{'a' * 64}.example/", "no server can have"),
        ("https://" + "a." * 127 + "example/", "no server can have"),
    ],
)
def test_a_url_that_is_none_is_refused_with_what_is_wrong(url: str, wrong: str) -> None:
    with pytest.raises(Rejected, match=wrong):
        target_of(url, PUBLIC)


@pytest.mark.parametrize("host", ["crm.example.", "crm_1.example", f"{'a' * 63}.example", "crm"])
def test_a_name_that_can_be_looked_up_is_taken(host: str) -> None:
    assert target_of(f"https://{host}/", PUBLIC).host == host


def an_endpoint(**values: Any) -> Any:
    return SimpleNamespace(**{"business_unit": "default", "events": [], "historical": False, **values})


@pytest.mark.parametrize(
    ("endpoint", "said", "hears"),
    [
        ({}, {}, True),
        ({"events": ["LeadCreated"]}, {}, True),
        ({"events": ["LeadGraded"]}, {}, False),
        ({"business_unit": "another"}, {}, False),
        ({}, {"historical": True}, False),
        ({"historical": True}, {"historical": True}, True),
    ],
)
def test_an_endpoint_hears_what_it_asked_for(endpoint: dict[str, Any], said: dict[str, Any], hears: bool) -> None:
    event = {"event": "LeadCreated", "business_unit": "default", **said}
    assert wants(an_endpoint(**endpoint), event) is hears


def test_every_kind_can_be_asked_for_and_a_delivery_has_the_id_of_its_event() -> None:
    assert "OpportunityWon" in KINDS
    assert set(KINDS) >= OF_EACH_ID
    event, lead = UUID(int=1), UUID(int=2)
    assert message_id("LeadCreated", event, lead) == str(event)
    assert message_id("LeadMarked", event, lead) != message_id("LeadMarked", event, UUID(int=3))


def test_who_a_lead_is_is_told_only_where_it_is_given() -> None:
    event = {"event": "LeadCreated", "occurred_at": NOW}
    assert "person" not in message(event, UUID(int=1), None)["data"]
    assert message(event, UUID(int=1), {"name": "Ann"})["data"]["person"] == {"name": "Ann"}


def settled(answer: Answer, attempts: int = 1, failures: int = 1, chance: float = 0.5) -> Any:
    return settle(answer, attempts=attempts, failures=failures, now=NOW, patience=PATIENCE, chance=chance)


def test_an_answer_decides_what_becomes_of_a_delivery() -> None:
    assert settled(Answer(204)).outcome == "delivered"
    assert settled(Answer(302)).outcome == "failed"
    assert settled(Answer(410)).outcome == "gone"
    first, second = settled(Answer(500)), settled(Answer(None, "timeout"), attempts=2)
    assert (first.next_at, second.next_at) == (NOW + timedelta(seconds=10), NOW + timedelta(seconds=60))
    assert settled(Answer(500), attempts=3).outcome == "dead"


def test_a_receiver_is_left_alone_for_as_long_as_it_asks_but_not_for_ever() -> None:
    asked = settled(Answer(503, retry_after=timedelta(hours=2)))
    assert (asked.next_at, asked.rest_until) == (NOW + timedelta(hours=2), NOW + timedelta(hours=2))
    assert settled(Answer(503, retry_after=timedelta(days=400))).next_at == NOW + LONGEST_ASKED_FOR


@given(st.integers(1, 3), st.integers(1, 10_000), st.floats(0, 1), st.sampled_from([500, 429, 404, None]))
def test_what_fails_never_comes_at_once_and_never_after_more_than_the_schedule_and_a_rest(
    attempts: int, failures: int, chance: float, status: int | None
) -> None:
    one = settled(Answer(status), attempts=attempts, failures=failures, chance=chance)
    assert one.outcome == ("dead" if attempts == 3 else "failed")
    if one.next_at is not None:
        assert NOW < one.next_at <= NOW + timedelta(minutes=13)
    assert (one.rest_until is not None) == (failures >= RESTS_FROM)


def test_an_endpoint_is_given_up_only_when_it_has_failed_for_long() -> None:
    assert not is_given_up(None, NOW, PATIENCE)
    assert not is_given_up(NOW - timedelta(days=4), NOW, PATIENCE)
    assert is_given_up(NOW - timedelta(days=5), NOW, PATIENCE)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("120", 120), ("Mon, 02 Mar 2026 09:01:00 GMT", 60), ("Mon, 02 Mar 2026 08:00:00 GMT", 0), ("soon", None), (None, None),
     ("Mon, 02 Mar 99999999999999999999 09:00:00 GMT", None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(said: str | None, seconds: int | None) -> None:
    assert retry_after(said, NOW) == (None if seconds is None else timedelta(seconds=seconds))


def test_a_message_is_signed_as_the_specification_shows() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = signed_headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
