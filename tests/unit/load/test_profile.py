"""Samples are sorted by what the code was for."""

from __future__ import annotations

import pytest

from tests.load.profile import area_of, shares


@pytest.mark.parametrize(
    ("innermost", "area"),
    [
        ("execute (psycopg/cursor.py:97)", "database client"),
        ("parse (shared/contracts/topics.py:30)", "parsing"),
        ("to_json (shared/contracts/envelope.py:60)", "events written"),
        ("_unpack (aiokafka/consumer/fetcher.py:1)", "log client, reading"),
        ("append (aiokafka/producer/message_accumulator.py:1)", "relay and log client, writing"),
        ("score (services/scoring/domain/rules.py:1)", "rules"),
        ("save (services/metrics/storage/folding.py:1)", "rows"),
        ("strange (elsewhere/thing.py:1)", "event loop"),
    ],
)
def test_a_sample_belongs_to_its_innermost_frame_that_has_an_area(innermost: str, area: str) -> None:
    assert area_of(["<module> (main.py:1)", "run (asyncio/runners.py:1)", innermost]) == area


def test_shares_add_up_and_the_largest_comes_first() -> None:
    found = shares(["a (x.py:1);f (psycopg/a.py:1) 3", "a (x.py:1);g (y.py:1) 1", "not a sample"])
    assert found == {"database client": 0.75, "other": 0.25}
    assert shares([]) == {}
