"""Time that stands still until a test moves it."""

from __future__ import annotations

from datetime import datetime, timedelta


class FakeClock:
    """A clock that a test moves."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """The time this clock was moved to."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Moves the clock forward."""
        self._now += by
