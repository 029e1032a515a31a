"""Where ids fall in the registers of visitors, by another hand than PostgreSQL's, and how far off a count from them is as a rule."""

from __future__ import annotations

import math
from uuid import UUID

from services.metrics.domain.distinct import REGISTERS, TAIL

STANDARD_ERROR = 1.04 / math.sqrt(REGISTERS)


def code_of(visitor: UUID) -> int:
    """Where an id falls (the upper bits) and how rare it is (the lower six): how many zeros its tail begins with, and one."""
    bits = visitor.int >> 80
    tail = bits & ((1 << TAIL) - 1)
    return (bits >> TAIL) << 6 | (TAIL + 1 - tail.bit_length())
