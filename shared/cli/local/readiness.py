"""Asking the services whether they can work."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Readiness:
    """One service's answer: ready, or what it waits for."""

    ready: bool
    reason: str


def readiness(url: str, *, timeout_seconds: float = 3.0) -> Readiness:
    """What a service's `/readyz` says now."""
    try:
        with OPENER.open(f"{url}/readyz", timeout=timeout_seconds) as answer:
            return Readiness(ready=answer.status == 200, reason="ready")
    except urllib.error.HTTPError as error:
        return Readiness(ready=False, reason=_reason(error.read(), error.code))
    except (OSError, ValueError) as error:
        return Readiness(ready=False, reason=f"does not answer at {url} ({getattr(error, 'reason', error)})")


def _reason(body: bytes, status: int) -> str:
    try:
        waiting = json.loads(body)["waiting_for"]
        return "; ".join(f"{what}: {why}" for what, why in waiting.items()) or f"status {status}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"status {status}"


def wait_until_ready(
    urls: Mapping[str, str], *, within_seconds: float, meanwhile: Callable[[], None]
) -> dict[str, Readiness]:
    """Asks until every service is ready; what the others last said when the time is over, else nothing.

    `meanwhile` runs between two rounds and may raise to give up early.
    """
    give_up_at = time.monotonic() + within_seconds
    waiting = dict.fromkeys(urls, Readiness(ready=False, reason="not asked yet"))
    while True:
        waiting = {name: readiness(urls[name]) for name in waiting}
        waiting = {name: answer for name, answer in waiting.items() if not answer.ready}
        if not waiting or time.monotonic() > give_up_at:
            return waiting
        meanwhile()
        time.sleep(0.1)
