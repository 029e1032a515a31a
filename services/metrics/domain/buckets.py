"""How many there are in which bucket, as arrays, so that very many of them are added up at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]


class Buckets(NamedTuple):
    """Buckets, `at` some places of a scale or of the calendar, and a column for each number that is kept of them."""

    at: Whole
    numbers: tuple[Whole, ...]

    @property
    def counts(self) -> Whole:
        """How many each has."""
        return self.numbers[0]

    @property
    def n(self) -> int:
        """How many all have."""
        return int(self.counts.sum())

    def told(self, scale: NDArray[np.float64]) -> dict[float, int]:
        """How many there are of what stands for a bucket."""
        kept = self.counts != 0
        return dict(zip(scale[self.at[kept]].tolist(), self.counts[kept].tolist(), strict=True))


Part = tuple[int, Buckets]
"""Buckets, and how often they count."""


def cells_of(buckets: bytes, *numbers: bytes) -> Buckets:
    """What PostgreSQL sends, in any order and some buckets more than once, in the order of its bytes: integers and bigints."""
    return Buckets(
        np.frombuffer(buckets, ">i4").astype(np.int64),
        tuple(np.frombuffer(one, ">i8").astype(np.int64) for one in numbers),
    )


def together(parts: Sequence[Part]) -> Buckets:
    """All of them added up: each bucket once, in their order, without those that nothing is left of."""
    at = np.concatenate([cells.at for _, cells in parts])
    if not len(at):
        return parts[0][1]
    low = int(at.min())
    sums = []
    for column in range(len(parts[0][1].numbers)):
        kept = np.zeros(int(at.max()) - low + 1, np.int64)
        np.add.at(kept, at - low, np.concatenate([sign * cells.numbers[column] for sign, cells in parts]))
        sums.append(kept)
    left = np.flatnonzero(np.any(sums, axis=0))
    return Buckets(left + low, tuple(one[left] for one in sums))
