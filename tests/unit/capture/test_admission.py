"""Who may send, how much, and how much at once; and what a settings text must look like."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from services.capture.api.admission import Bucket, InFlight, RateLimit
from services.capture.domain.keys import ApiKey
from services.capture.instruments import CaptureInstruments
from services.capture.settings import parse_keys
from shared.kit.errors import Rejected, Retryable
from shared.kit.settings import InvalidSettings, read_settings
from tests.unit.capture.fakes import the_settings

DIGEST = sha256(b"k").hexdigest()
KEY = ApiKey("web", DIGEST, frozenset({"write"}))


def test_keys_are_read_with_their_scopes() -> None:
    other = sha256(b"other").hexdigest()
    keys = parse_keys(f" web={DIGEST} , crm={other}:write+backdate,")
    assert keys[DIGEST] == KEY
    assert keys[other] == ApiKey("crm", other, frozenset({"write", "backdate"}))


@pytest.mark.parametrize(
    "text", ["web", "web=plain-key", f"web={DIGEST}:delete", f"={DIGEST}", f"a={DIGEST},b={DIGEST}", f"web={DIGEST}:"]
)
def test_a_key_list_that_cannot_be_read_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^entry [12] ") as error:
        parse_keys(text)
    assert DIGEST not in str(error.value)
    assert "plain-key" not in str(error.value)


def test_a_bad_key_list_stops_the_service_and_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTURE_KEYS", "web=plain-key")
    with pytest.raises(InvalidSettings, match=r"CAPTURE_KEYS: .*entry 1") as error:
        read_settings(type(the_settings()), api_token="t" * 16, identity_secret="s" * 16)
    assert "plain-key" not in str(error.value)


def test_a_bucket_serves_one_batch_on_credit_and_makes_the_next_wait() -> None:
    limit = RateLimit(10, 2)
    assert limit.admit(KEY, 0.0)["RateLimit-Remaining"] == "20"
    assert limit.charge(KEY, 50)["RateLimit-Remaining"] == "0"
    with pytest.raises(Rejected) as refused:
        limit.admit(KEY, 1.0)
    assert refused.value.status == 429
    wait = int(refused.value.headers.pop("Retry-After"))
    assert 3 <= wait <= 4  # not before there is something left, and not all who wait at once
    assert refused.value.headers == {"RateLimit-Limit": "20", "RateLimit-Remaining": "0", "RateLimit-Reset": "4"}
    assert limit.admit(KEY, 4.0)["RateLimit-Remaining"] == "10"


def test_keys_do_not_share_a_bucket_and_no_rate_is_no_limit() -> None:
    limit = RateLimit(1, 1)
    limit.admit(KEY, 0.0)
    limit.charge(KEY, 1)
    limit.admit(ApiKey("other", "0" * 64, frozenset()), 0.0)
    assert RateLimit(0, 1).admit(KEY, 0.0) == {}


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 50)), max_size=40))
def test_a_bucket_never_gives_more_than_its_burst_and_its_rate(steps: list[tuple[float, int]]) -> None:
    bucket, now, given_out, last = Bucket(5, 20, 0.0), 0.0, 0, 0
    for pause, count in steps:
        now += pause
        if bucket.left(now) >= 1:
            bucket.take(count)
            given_out, last = given_out + count, count
    assert given_out - last <= 20 + 5 * now


def in_flight(requests: int = 2, size: int = 100) -> InFlight:
    return InFlight(requests, size, CaptureInstruments(CollectorRegistry()))


async def test_beyond_its_places_a_request_is_told_to_come_back() -> None:
    inflight = in_flight()
    with inflight.one(), inflight.one(), pytest.raises(Retryable), inflight.one():
        pass
    with inflight.one():
        pass


async def test_bytes_are_given_back_when_their_request_ends() -> None:
    inflight = in_flight()
    with inflight.one() as one, inflight.one() as other:
        one.hold(90)
        with pytest.raises(Retryable):
            other.hold(11)
    with inflight.one() as again:
        again.hold(100)


async def test_a_drain_ends_when_the_last_request_does_or_its_time_is_over() -> None:
    inflight = in_flight()
    async with inflight.drained(5.0):
        with inflight.one():
            pass
    with inflight.one():
        async with inflight.drained(0.01):
            pass
