"""The fence: what of a batch is taken, dropped or read again."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from shared.kit.positions import enforce, tally


@dataclass(frozen=True)
class Raw:
    offset: int
    partition: int = 0
    topic: str = "t"
    timestamp: int = 0


def test_what_was_done_is_dropped_and_what_comes_next_is_taken() -> None:
    claim = enforce([Raw(3), Raw(4), Raw(5), Raw(6)], {("t", 0): 5})
    assert [record.offset for record in claim.take] == [5, 6]
    assert claim.dropped == 2
    assert claim.seek_back == {}


def test_a_jump_is_not_followed_but_read_again_from_where_it_should_go_on() -> None:
    claim = enforce([Raw(5), Raw(7), Raw(8), Raw(1, partition=1)], {("t", 0): 5, ("t", 1): 1})
    assert [(record.partition, record.offset) for record in claim.take] == [(0, 5), (1, 1)]
    assert claim.seek_back == {("t", 0): 6}


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30))), st.tuples(*[st.integers(0, 10)] * 3))
def test_whatever_arrives_each_offset_is_taken_once_in_order_without_a_gap(
    batch: list[tuple[int, int]], stored: tuple[int, int, int]
) -> None:
    claim = enforce([Raw(offset, partition) for partition, offset in batch], {("t", p): stored[p] for p in range(3)})
    for partition in range(3):
        taken = [record.offset for record in claim.take if record.partition == partition]
        assert taken == list(range(stored[partition], stored[partition] + len(taken)))


def test_every_record_ends_exactly_one_way() -> None:
    taken = [Raw(0), Raw(1), Raw(2), Raw(3, partition=1)]
    tallies = tally(taken, [taken[0]], [taken[1]], [taken[3]])  # type: ignore[list-item]
    assert (tallies["t", 0].records, tallies["t", 0].facts) == (3, 1)
    assert (tallies["t", 1].records, tallies["t", 1].facts, tallies["t", 1].dead_lettered) == (1, 0, 1)
