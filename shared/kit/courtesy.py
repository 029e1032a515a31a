"""A guest on somebody else's event loop works at once where there is room, and rests the longer the more there is to do.

A consumer whose process has other work, which somebody waits for, must not take much of it. How busy a loop is shows in how
long it takes to come round: with nothing to do some microseconds, under full load many milliseconds.
"""

from __future__ import annotations

import asyncio
import time

BATCH_SECONDS = 0.002
RECORD_SECONDS = 0.000_015
"""What a batch and each of its records cost the loop, measured. Time that passes says less: most of it is waiting."""

UNHURRIED_SECONDS = 0.000_5
"""A turn of the loop that takes no longer leaves room."""

MOST_RESTS = 19.0
"""A guest gets a twentieth of the loop at least, so that it goes on under any load."""

TURNS = 3


async def rest_seconds(records: int) -> float:
    """How long to rest after a batch of so many records."""
    turns = []
    for _ in range(TURNS):
        began = time.perf_counter()
        await asyncio.sleep(0)
        turns.append(time.perf_counter() - began)
    usual = sorted(turns)[TURNS // 2]
    return (BATCH_SECONDS + records * RECORD_SECONDS) * min(MOST_RESTS, usual / UNHURRIED_SECONDS)
