"""What a key is: its parts, its ends, and what is known of it where it is looked up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.capture.api.admission import Keys, RateLimit
from services.capture.domain.keys import SENDER, ApiKey
from services.capture.key_file import read_snapshot, write_snapshot
from shared.kit.errors import Rejected, Retryable
from shared.kit.keys.minting import MINT_BYTES, mint, overlap_end, successor_expiry
from tests.support.clock import FakeClock

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TEXT = b"a-key"
DIGEST = sha256(TEXT).hexdigest()
HEADERS = {b"authorization": b"Bearer " + TEXT}


class Known:
    """Keys in a test's hand."""

    def __init__(self, *keys: ApiKey, knows_all: bool = True) -> None:
        self.keys = {key.digest: key for key in keys}
        self.knows_all = knows_all

    def find(self, digest: str) -> ApiKey | None:
        return self.keys.get(digest)


def a_key(**given: object) -> ApiKey:
    return ApiKey(**({"sender": "site", "digest": DIGEST, "scopes": frozenset({"write"})} | given))  # type: ignore[arg-type]


@given(st.binary(min_size=MINT_BYTES, max_size=MINT_BYTES))
def test_a_key_begins_with_its_prefix_and_fits_a_header(chance: bytes) -> None:
    minted = mint(chance)
    assert minted.key.startswith(f"{minted.prefix}_")
    assert len(minted.prefix) == 11
    assert len(minted.key) == 55
    assert minted.key.isascii()
    assert minted.key.isprintable()
    assert " " not in minted.key
    assert minted.digest == sha256(minted.key.encode()).hexdigest()


def test_the_name_of_a_channels_address_is_no_name_for_a_key() -> None:
    assert SENDER.fullmatch("europe/website") is None


@pytest.mark.parametrize(
    ("expires_at", "end"),
    [(None, NOW + HOUR), (NOW + 2 * HOUR, NOW + HOUR), (NOW + HOUR / 2, NOW + HOUR / 2)],
)
def test_a_replaced_key_never_lives_longer_than_it_would_have(expires_at: datetime | None, end: datetime) -> None:
    assert overlap_end(NOW, HOUR, expires_at) == end


def test_a_replacement_lives_as_long_as_what_it_replaces_was_made_for() -> None:
    assert successor_expiry(NOW, NOW - HOUR, None) is None
    assert successor_expiry(NOW, NOW - 3 * HOUR, NOW + HOUR) == NOW + 4 * HOUR


def test_an_expiry_holds_to_the_moment_without_anybody_looking() -> None:
    clock = FakeClock(NOW)
    keys = Keys(Known(a_key(prefix="lf_abc", expires_at=NOW + HOUR)), clock)
    clock.advance(HOUR - timedelta(microseconds=1))
    assert keys.owner(HEADERS).sender == "site"
    clock.advance(timedelta(microseconds=1))
    with pytest.raises(Rejected, match=r"lf_abc expired at 2026-03-02T10:00:00Z") as refused:
        keys.owner(HEADERS)
    assert refused.value.status == 401


def test_while_keys_cannot_be_looked_up_a_strange_one_is_not_called_wrong() -> None:
    with pytest.raises(Retryable):
        Keys(Known(knows_all=False), FakeClock(NOW)).owner(HEADERS)
    with pytest.raises(Rejected, match="unknown, or was revoked"):
        Keys(Known(), FakeClock(NOW)).owner(HEADERS)
    assert Keys(Known(a_key(), knows_all=False), FakeClock(NOW)).owner(HEADERS).sender == "site"


def test_a_keys_own_rate_goes_before_the_deployments_limit() -> None:
    limits = RateLimit(100, 1)
    assert limits.admit(a_key(rate_per_second=2.0), 0.0)["RateLimit-Limit"] == "2"
    assert limits.charge(a_key(rate_per_second=2.0), 2)["RateLimit-Remaining"] == "0"
    with pytest.raises(Rejected, match="2 leads and interactions a second"):
        limits.admit(a_key(rate_per_second=2.0), 0.0)
    assert limits.admit(a_key(rate_per_second=5.0), 0.0)["RateLimit-Limit"] == "5", "a new rate holds at once"
    assert limits.admit(a_key(rate_per_second=0.0), 0.0) == {}
    assert limits.charge(a_key(rate_per_second=0.0), 1) == {}
    assert limits.admit(a_key(), 0.0)["RateLimit-Limit"] == "100"


def test_a_snapshot_gives_back_what_was_kept_to_its_owner_alone(tmp_path: Path) -> None:
    keys = [
        a_key(),
        a_key(
            digest="0" * 64,
            prefix="lf_x",
            rate_per_second=0.5,
            expires_at=NOW,
            scopes=frozenset({"write", "reconcile"}),
        ),
    ]
    file = tmp_path / "keys.json"
    write_snapshot(file, keys[:1])
    write_snapshot(file, keys)
    assert read_snapshot(file) == keys
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[1]", b'[{"sender": "x"}]', b"\xff"])
def test_a_snapshot_that_says_nothing_sensible_is_as_if_there_were_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(content)
    assert read_snapshot(file) == []
    assert read_snapshot(tmp_path / "nothing") == []


def test_a_snapshot_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "no-such-folder" / "keys.json", [a_key()])
