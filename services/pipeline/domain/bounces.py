"""Whether mail still reaches somebody: what came back for good says that their address is none any more."""

from __future__ import annotations

from collections.abc import Iterable

from services.pipeline.domain.facts import Fact
from services.pipeline.domain.taken_back import that_happened

BOUNCED = "bounced"
"""How an attempt ends where the lead's server says that there is nobody of this address."""


def is_undeliverable(story: Iterable[Fact]) -> bool:
    """Whether the last that a story tells of an address is that there is nobody: an e-mail came back for good, or the lead's server
    took none, and no valid address was captured since by anybody who is no spammer and no test."""
    facts = list(story)
    if not any(_came_back(fact) for fact in facts):
        return False
    touches = that_happened(fact for fact in facts if fact.event in ("LeadCreated", "LeadTouched"))
    refused = (fact for fact in facts if fact.event == "ContactAttempted")
    back = max((fact.key for fact in (*touches, *refused) if _came_back(fact)), default=None)
    return back is not None and not any(
        fact.key > back and "email" in fact.data.get("contacts", ()) and "mark" not in fact.data for fact in touches
    )


def _came_back(fact: Fact) -> bool:
    refused = fact.event == "ContactAttempted" and "message_id" in fact.data and fact.data.get("outcome") == BOUNCED
    return refused or "undeliverable" in fact.data
