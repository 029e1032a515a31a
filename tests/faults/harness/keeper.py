"""What a supervisor does in earnest: a service that has ended by itself is started again, and its end is remembered."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.support.services import RunningServices

LOOK_EVERY_SECONDS = 0.1


class Keeper:
    """Keeps every process alive that a fault has not taken away itself."""

    def __init__(self, services: RunningServices) -> None:
        self._services = services
        self.ends: Counter[tuple[str, int]] = Counter()
        """How often which process ended with which exit code; a signal's number is negative."""

    async def run(self) -> None:
        """Looks until it is cancelled."""
        while True:
            for name, process in list(self._services.processes.items()):
                code = process.poll()
                if code is not None:
                    self.ends[name, code] += 1
                    self._services.start(name)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def ended(self, name: str) -> int:
        """How often a process has ended by itself so far."""
        return sum(count for (who, _), count in self.ends.items() if who == name)
