"""Buckets as arrays are what adding up each of them by itself gives."""

from __future__ import annotations

from collections import Counter
from struct import pack

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.buckets import cells_of, together

CELL = st.tuples(st.integers(-4000, 90_000), st.integers(-9, 9), st.integers(-(2**52), 2**52))
PARTS = st.lists(st.tuples(st.sampled_from((1, -1)), st.lists(CELL, max_size=12)), min_size=1, max_size=6)


def sent(cells: list[tuple[int, int, int]]) -> list[bytes]:
    """As PostgreSQL sends them."""
    at, counts, totals = zip(*cells, strict=True) if cells else ((), (), ())
    return [pack(f">{len(cells)}i", *at), pack(f">{len(cells)}q", *counts), pack(f">{len(cells)}q", *totals)]


@given(PARTS)
def test_each_bucket_is_the_sum_of_its_cells(parts: list[tuple[int, list[tuple[int, int, int]]]]) -> None:
    counts, totals = Counter[int](), Counter[int]()
    for sign, cells in parts:
        for bucket, count, total in cells:
            counts[bucket] += sign * count
            totals[bucket] += sign * total
    left = sorted(bucket for bucket in counts if counts[bucket] or totals[bucket])
    found = together([(sign, cells_of(*sent(cells))) for sign, cells in parts])
    assert found.at.tolist() == left
    assert found.counts.tolist() == [counts[bucket] for bucket in left]
    assert found.numbers[1].tolist() == [totals[bucket] for bucket in left]
    assert found.n == sum(counts.values())


def test_what_stands_for_a_bucket_is_told_with_how_many_it_has() -> None:
    found = together([(1, cells_of(*sent([(2, 5, 0), (-1, 3, 0), (0, 0, 7)])))])
    assert found.told(np.array([0.0, 10.0, 20.0, -10.0])) == {20.0: 5, -10.0: 3}
