"""A delivery is trusted when its sender signed exactly it, lately, with one of the live secrets; and in no other case."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.capture.api.bodies import parse
from services.capture.domain.channels import VERIFICATIONS, Delivery, Forged, Verified
from shared.contracts.policy import VerificationName
from shared.kit.errors import Rejected
from tests.unit.capture.channels import signing
from tests.unit.capture.channels.signing import AT, Sign
from tests.unit.capture.channels.support import an_endpoint
from tests.unit.capture.fakes import NOW

SECRETS = ("the-newest-secret-of-all", "whsec_" + base64.b64encode(b"the older secret, 24 byt").decode())
ENDPOINT = an_endpoint("json")
SIGNED: dict[str, Sign] = {
    "standard_webhooks": signing.standard_webhooks,
    "meta": signing.meta,
    "linkedin": signing.linkedin,
    "typeform": signing.typeform,
    "calendly": signing.calendly,
}
BODY = b'{"email":"ada@example.com","name":"\xd8\xb3\xd8\xa7\xd8\xb1\xd8\xa7"}'
NAMES = pytest.mark.parametrize("name", SIGNED)


def verified(name: str, body: bytes, headers: dict[str, str], secrets: tuple[str, ...] = SECRETS) -> Verified | Forged:
    """What the verification says now."""
    verify = VERIFICATIONS[cast(VerificationName, name)]
    return verify(Delivery(body, headers=headers), secrets, ENDPOINT, NOW)


@NAMES
@pytest.mark.parametrize("place", [0, 1])
def test_either_live_secret_proves_a_delivery(name: str, place: int) -> None:
    assert verified(name, BODY, SIGNED[name](BODY, SECRETS[place])) == Verified(place)


@NAMES
def test_a_secret_that_is_no_longer_live_proves_nothing(name: str) -> None:
    headers = SIGNED[name](BODY, SECRETS[1])
    assert isinstance(verified(name, BODY, headers, SECRETS[:1]), Forged)
    assert isinstance(verified(name, BODY, headers, ()), Forged)


@NAMES
def test_a_delivery_without_a_signature_is_forged_and_the_reason_names_the_header(name: str) -> None:
    outcome = verified(name, BODY, {})
    assert isinstance(outcome, Forged)
    header = next(iter(SIGNED[name](BODY, SECRETS[0])))
    assert header.lower() in outcome.reason.lower()


@NAMES
@given(place=st.integers(0, len(BODY) - 1), other=st.integers(1, 255))
def test_any_changed_byte_of_the_body_is_refused(name: str, place: int, other: int) -> None:
    changed = BODY[:place] + bytes([BODY[place] ^ other]) + BODY[place + 1 :]
    assert isinstance(verified(name, changed, SIGNED[name](BODY, SECRETS[0])), Forged)


@NAMES
@given(data=st.data())
def test_any_changed_character_of_a_signature_is_refused(name: str, data: st.DataObject) -> None:
    headers = SIGNED[name](BODY, SECRETS[0])
    header = next(reversed(headers))
    value = headers[header]
    place = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters(max_codepoint=0x17F).filter(lambda character: character != value[place]))
    changed = value[:place] + other + value[place + 1 :]
    assert isinstance(verified(name, BODY, headers | {header: changed}), Forged)


@NAMES
@given(st.text(max_size=80))
def test_any_header_is_answered(name: str, value: str) -> None:
    headers = dict.fromkeys(SIGNED[name](BODY, SECRETS[0]), value)
    assert isinstance(verified(name, BODY, headers), Forged)


@pytest.mark.parametrize("name", ["standard_webhooks", "calendly"])
@pytest.mark.parametrize(("seconds", "taken"), [(0, True), (299, True), (-299, True), (301, False), (-301, False)])
def test_a_signed_time_holds_within_the_replay_window(name: str, seconds: int, taken: bool) -> None:
    sign = signing.standard_webhooks if name == "standard_webhooks" else signing.calendly
    headers = sign(BODY, SECRETS[0], at=AT + seconds)
    assert isinstance(verified(name, BODY, headers), Verified) == taken


def test_the_window_is_the_endpoints() -> None:
    endpoint = an_endpoint("json", replay_window_seconds=3600)
    headers = signing.calendly(BODY, SECRETS[0], at=AT - 3000)
    outcome = VERIFICATIONS["calendly"](Delivery(BODY, headers=headers), SECRETS, endpoint, NOW)
    assert outcome == Verified(0)
    late = VERIFICATIONS["calendly"](Delivery(BODY, headers=headers), SECRETS, endpoint, NOW + timedelta(hours=1))
    assert isinstance(late, Forged)


def test_a_standard_webhook_may_carry_several_signatures_and_those_of_other_versions_count_nothing() -> None:
    headers = signing.standard_webhooks(BODY, SECRETS[1])
    good = headers["webhook-signature"]
    several = headers | {"webhook-signature": f"v1a,AAAA v1,{'A' * 43}= {good}"}
    assert verified("standard_webhooks", BODY, several) == Verified(1)
    other_version = headers | {"webhook-signature": good.replace("v1,", "v2,")}
    assert isinstance(verified("standard_webhooks", BODY, other_version), Forged)


def test_a_signed_webhook_id_cannot_be_changed() -> None:
    headers = signing.standard_webhooks(BODY, SECRETS[0]) | {"webhook-id": "msg_another"}
    assert isinstance(verified("standard_webhooks", BODY, headers), Forged)


def test_linkedins_header_is_read_with_its_prefix_too() -> None:
    header = signing.linkedin(BODY, SECRETS[0])["x-li-signature"]
    assert verified("linkedin", BODY, {"x-li-signature": f"hmacsha256={header}"}) == Verified(0)


@pytest.mark.parametrize("place", [0, 1])
def test_googles_key_is_one_of_the_live_ones(place: int) -> None:
    assert verified("google", signing.google_body(SECRETS[place]), {}) == Verified(place)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"google_key": 1}', b'{"google_key": "\xd8\xb3"}', b'{"google_key": "\\ud800"}', b"[" * 9000],
)
def test_another_key_of_google_is_forged(body: bytes) -> None:
    assert isinstance(verified("google", body, {}), Forged)


@pytest.mark.parametrize("broken", [b"NaN", b"-Infinity", b"1e999", b"9" * 5_000, b"[", b"'x'"])
def test_googles_key_in_what_is_no_json_proves_nothing(broken: bytes) -> None:
    body = signing.google_body(SECRETS[0])[:-1] + b', "x": ' + broken + b"}"
    with pytest.raises(Rejected):
        parse(body)
    assert isinstance(verified("google", body, {}), Forged), "it would be kept with its key"


@given(st.text(max_size=40))
def test_any_other_key_of_google_is_forged(key: str) -> None:
    body = signing.google_body(key)
    assert isinstance(verified("google", body, {}), Forged)
