"""What a service is better with and does its work without: looked at from time to time, told to whoever asks, waited for by
nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CollectorRegistry, Gauge

from shared.kit.logs import log

Check = Callable[[], Awaitable[None]]
"""A readiness check: returns when ready, raises with the reason when not."""

LOOK_EVERY_SECONDS = 2.0
LOOK_SECONDS = 2.0


async def fault_of(check: Check) -> str | None:
    """What a check found, within its time; None when all is well."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {LOOK_SECONDS:g} s"
    except Exception as error:
        return str(error) or type(error).__name__
    return None


class Presence:
    """The checks of what a service can do without, and what they found last."""

    def __init__(self, checks: Mapping[str, Check], registry: CollectorRegistry) -> None:
        self._checks = dict(checks)
        self.faults = dict.fromkeys(self._checks, "not looked at yet")
        if self._checks:
            self._up = Gauge(
                "leadflow_dependency_up",
                "1 while something this service can do without answers.",
                ["dependency"],
                registry=registry,
            )
            for name in self._checks:
                self._up.labels(name).set(0)

    async def run(self) -> None:
        """Looks, all at once, until it is cancelled; with nothing to look at it ends at once."""
        while self._checks:
            found = await asyncio.gather(*map(fault_of, self._checks.values()))
            for name, fault in zip(self._checks, found, strict=True):
                self._note(name, fault)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def _note(self, name: str, fault: str | None) -> None:
        self._up.labels(name).set(fault is None)
        if fault is None:
            if self.faults.pop(name, None) is not None:
                log().info("dependency_there", check=name)
            return
        if name not in self.faults:
            log().warning("dependency_away", check=name)
        self.faults[name] = fault
