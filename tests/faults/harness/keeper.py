"""What a supervisor does in earnest: a service that has ended by itself is started again, and its end is remembered."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter

from shared.kit.watchdog import EXIT_CODE_STALLED
from tests.support.services import RunningServices

EXPLAINED = (-signal.SIGKILL, EXIT_CODE_STALLED)
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

    def ended(self, name: str, code: int | None = None) -> int:
        """How often a process has ended by itself so far, with this exit code where one is given."""
        return sum(count for (who, how), count in self.ends.items() if who == name and code in (None, how))

    def unexplained(self) -> dict[tuple[str, int], int]:
        """Ends that nobody can want: neither kill -9 nor the watchdog's, which is there to be started again after."""
        return {end: count for end, count in self.ends.items() if end[1] not in EXPLAINED}
