"""Who comes in: made-up people, most of them new, some of them again under another of their identities."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

CHANNELS = ("web_form", "phone", "event", "paid_search")
UNITS = ("europe", "tehran")


def identity_of(person: int, chance: random.Random) -> dict[str, str]:
    """One or both of the ways a person can be known."""
    by = chance.random()
    found = {}
    if by < 0.7:
        found["email"] = f"person{person}@example.com"
    if by > 0.5:
        found["phone"] = f"+31612{person:06d}"
    return found


def unit_of(person: int) -> str:
    """Each person belongs to one business unit."""
    return UNITS[person % 4 == 3]


def leads(chance: random.Random, stem: str) -> Iterator[dict[str, Any]]:
    """Leads without end. One in ten is somebody again."""
    for number in itertools.count():
        person = number if chance.random() < 0.9 else chance.randrange(number + 1)
        yield {
            "record_id": f"{stem}-{number}",
            "business_unit": unit_of(person),
            "channel": chance.choice(CHANNELS),
            "campaign": f"campaign {chance.randrange(5)}",
            **identity_of(person, chance),
        }


def interaction(lead: dict[str, Any], record_id: str, chance: random.Random) -> dict[str, Any]:
    """Something that the person behind a lead did, told under the same identity."""
    known_by: dict[str, Any] = {key: lead[key] for key in ("email", "phone") if key in lead}
    kind = chance.choice(("page_view", "demo_request", "download"))
    return {"record_id": record_id, "business_unit": lead["business_unit"], "kind": kind, **known_by}
