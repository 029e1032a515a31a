"""Capture's memory: what it says is true, and it stays within its bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.capture.memory import COST_BYTES, Memory

IDS = st.integers(0, 30).map(str)
EVENTS = st.binary(min_size=1, max_size=40)


@given(st.lists(st.tuples(IDS, EVENTS) | st.dictionaries(IDS, EVENTS, max_size=6), max_size=60), st.integers(0, 6_000))
def test_what_is_remembered_is_what_was_kept_last_and_fits_the_bound(
    steps: list[tuple[str, bytes] | dict[str, bytes]], bound: int
) -> None:
    memory, latest = Memory(bound), dict[str, bytes]()
    for step in steps:
        if isinstance(step, dict):
            memory.keep_many(step)
            latest.update(step)
        else:
            memory.keep(*step)
            latest[step[0]] = step[1]
        assert memory.held_bytes <= bound
    remembered = {one: event for one in latest if (event := memory.said(one)) is not None}
    assert len(memory) == len(remembered)
    assert all(memory.knows({one: b""}) == (one in remembered) for one in latest)
    if all(len(step) * (40 + COST_BYTES) <= bound // 2 for step in steps):
        assert remembered.items() <= latest.items()


def test_the_latest_half_of_the_bound_is_always_remembered() -> None:
    size = 150
    memory = Memory(40 * (size + COST_BYTES))
    for number in range(1_000):
        memory.keep(str(number), b"x" * size)
        assert all(memory.said(str(one)) for one in range(max(0, number - 19), number + 1))
    assert 20 <= len(memory) <= 40


def test_without_a_bound_to_fill_nothing_is_remembered() -> None:
    memory = Memory(0)
    memory.keep("a", b"x")
    memory.keep_many({"b": b"y"})
    assert (len(memory), memory.held_bytes, memory.said("a"), memory.knows({"b": b""})) == (0, 0, None, False)
