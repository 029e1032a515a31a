"""How many different ids there are, from a few thousand registers that add up: each keeps how rare the rarest id was that fell to
it, and of two sets of registers the greater ones are those of both sets of ids together (HyperLogLog)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt

PRECISION = 14
REGISTERS = 1 << PRECISION
TAIL = 48 - PRECISION
"""Ids are hashes: their first 48 bits say where they fall, and how rare they are. Then the count is 0.8 % off, as a rule."""

Registers = npt.NDArray[np.uint8]
Place = TypeVar("Place")

_CODE_BYTES = 3
_RANK_BITS = 6


def packed(registers: Registers) -> bytes:
    """Registers as they are kept: all of them, or, while few are used, only those."""
    used = np.flatnonzero(registers)
    if len(used) * _CODE_BYTES >= REGISTERS:
        return registers.tobytes()
    codes = used.astype(">u4") << _RANK_BITS | registers[used]
    return codes.astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()


def unpacked(kept: Iterable[bytes]) -> Registers:
    """The registers of all that was kept together; codes may come in any order, and more than one for a place."""
    found = np.zeros(REGISTERS, np.uint8)
    for one in kept:
        if len(one) == REGISTERS:
            np.maximum(found, np.frombuffer(one, np.uint8), out=found)
            continue
        codes = np.frombuffer(one, np.uint8).reshape(-1, _CODE_BYTES).astype(np.uint32)
        whole = codes[:, 0] << 16 | codes[:, 1] << 8 | codes[:, 2]
        np.maximum.at(found, whole >> _RANK_BITS, (whole & ((1 << _RANK_BITS) - 1)).astype(np.uint8))
    return found


def how_many(registers: Registers) -> int:
    """How many different ids there were, without bias whatever their number (Ertl's estimate from the counts of each rank)."""
    counts = np.bincount(registers, minlength=TAIL + 2)
    if counts[0] == REGISTERS:
        return 0
    rest = REGISTERS * _tau(1 - float(counts[TAIL + 1]) / REGISTERS)
    for rank in range(TAIL, 0, -1):
        rest = (rest + float(counts[rank])) / 2
    rest += REGISTERS * _sigma(float(counts[0]) / REGISTERS)
    return round(REGISTERS * REGISTERS / (2 * math.log(2)) / rest)


def how_many_each(kept: Mapping[Place, Iterable[bytes]]) -> tuple[int, dict[Place, int]]:
    """How many there were in all, and in each place. Registers of one place at a time are unpacked: there may be many places."""
    together = np.zeros(REGISTERS, np.uint8)
    found: dict[Place, int] = {}
    for place, those in kept.items():
        registers = unpacked(those)
        np.maximum(together, registers, out=together)
        found[place] = how_many(registers)
    return how_many(together), found


def _sigma(share: float) -> float:
    """Of registers that nothing fell to."""
    if share == 1.0:
        return math.inf
    weight, total = 1.0, share
    while True:
        share *= share
        before = total
        total += share * weight
        weight *= 2
        if total == before:
            return total


def _tau(share: float) -> float:
    """Of registers that are full."""
    if share in (0.0, 1.0):
        return 0.0
    weight, total = 1.0, 1 - share
    while True:
        share = math.sqrt(share)
        before = total
        weight /= 2
        total -= (1 - share) ** 2 * weight
        if total == before:
            return total / 3
