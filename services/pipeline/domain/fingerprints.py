"""What else a sender said, beside what the older half of a fingerprint is made of; and whether two fingerprints contradict each
other.

A fingerprint of today has a second half. One that was stored before it had one is compared by the half that it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from shared.contracts.capture_events import InteractionRecorded, LeadCaptured, Personal

COMMANDS = b"leadflow-command"
FIRST_HALF = 16
NOTHING_ELSE = "0"
"""The second half of what says nothing else, as nearly everything does."""


_NO_DETAILS = (None, None, None, None)


def said_besides(event: LeadCaptured | InteractionRecorded) -> list[Any] | None:
    """What capture too calls another content: details of consents and calls, ids of clicks, what was written and not understood.
    None where there is nothing of it. When it happened is left out."""
    said: list[Any] = []
    if isinstance(event, LeadCaptured):
        if event.consents:
            said += [
                (one.purpose, one.text_version, one.given_at, one.proof)
                for one in event.consents
                if one.text_version is not None or one.given_at is not None or one.proof is not None
            ]
    else:
        details = (event.direction, event.outcome, event.duration_seconds, event.retracts)
        if details != _NO_DETAILS:
            said.append(details)
    who = event.personal
    if who is not None and (who.click_ids or who.as_sent):
        not_understood = _not_understood(who, who.as_sent or {})
        if who.click_ids or not_understood:
            said.append((who.click_ids, not_understood))
    if event.historical:
        said.append("historical")
    return said or None


def contradicts(before: str, now: str) -> bool:
    """Whether two fingerprints are of different contents, as far as both tell."""
    if before == now:
        return False
    if len(before) > FIRST_HALF and len(now) > FIRST_HALF:
        return True
    return before[:FIRST_HALF] != now[:FIRST_HALF]


def _not_understood(who: Personal, as_sent: Mapping[str, str]) -> dict[str, str]:
    """How something was written says something only where nothing was understood of it."""
    return {name: text for name, text in as_sent.items() if getattr(who, name, None) is None}


class Asking:
    """Fingerprints of what is asked for under a key of the sender's: whoever does not have the deployment's secret cannot guess
    with them what was said."""

    def __init__(self, secret: bytes) -> None:
        self._key = blake2b(secret, digest_size=32, person=COMMANDS).digest()

    def fingerprint(self, *said: Any) -> str:
        """The same for the same words."""
        return blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), digest_size=16, key=self._key).hexdigest()
