"""How many different ids there are, told from registers: near enough, the same in any order, and the greater of two are both."""

from __future__ import annotations

import tracemalloc
from random import Random
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.distinct import (
    REGISTERS,
    how_many,
    how_many_each,
    packed,
    unpacked,
)
from tests.unit.metrics.registers import STANDARD_ERROR, code_of

ids = st.lists(st.uuids(version=4), max_size=300)


def coded(those: list[UUID]) -> bytes:
    return b"".join(code_of(one).to_bytes(3, "big") for one in those)


def some(random: Random, n: int) -> list[UUID]:
    return [UUID(int=random.getrandbits(128), version=4) for _ in range(n)]


@pytest.mark.parametrize("n", [1, 30, 1_000, 6_000, 40_000, 150_000])
def test_a_count_is_within_three_standard_errors(n: int) -> None:
    random = Random(n)
    for _ in range(3):
        assert how_many(unpacked([coded(some(random, n))])) == pytest.approx(n, rel=3 * STANDARD_ERROR, abs=0.5)


def test_nobody_is_nobody() -> None:
    assert how_many(unpacked([])) == how_many(unpacked([b""])) == 0


@given(ids, ids)
def test_registers_of_two_are_those_of_both_together_in_any_order_and_how_often_they_are_told(
    one: list[UUID], other: list[UUID]
) -> None:
    both = unpacked([packed(unpacked([coded(one)])), packed(unpacked([coded(other)]))])
    assert (both == unpacked([coded([*other, *one, *one])])).all()


@given(ids)
def test_what_is_kept_is_what_there_was(those: list[UUID]) -> None:
    registers = unpacked([coded(those)])
    assert (unpacked([packed(registers)]) == registers).all()


def test_many_are_kept_as_they_are_and_few_by_their_places() -> None:
    many = unpacked([coded(some(Random(1), 30_000))])
    assert len(packed(many)) == REGISTERS
    few = unpacked([coded(some(Random(2), 40))])
    assert len(packed(few)) == 3 * np.count_nonzero(few)


def test_many_places_are_counted_one_after_the_other() -> None:
    those = some(Random(3), 3_000)
    kept = {place: [coded(those[place * 3 : place * 3 + 3]), coded(those[:1])] for place in range(1_000)}
    tracemalloc.start()
    total, found = how_many_each(kept)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == pytest.approx(3_000, rel=3 * STANDARD_ERROR)
    assert (found[0], set(found.values())) == (3, {3, 4})
    assert peak < 100 * REGISTERS
