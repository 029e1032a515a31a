"""The one mix that everything is measured with, made from numbers so that each run sends the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

UNIT = "europe"
INTERACTIONS = 2
QUALIFIED_EVERY = 10
WON_EVERY = 100
DESCRIPTION = (
    "each lead: one capture with e-mail (every third also a phone), name, company and job title; two interactions; one "
    "score; every 10th qualifies by rule; every 100th is won (one opportunity opened, one won)"
)

OWN_NUMBERS = ("employees", "annual_revenue", "budget")
DIGITS = 25

_CHANNELS = ("web_form", "paid_search", "event")
_SOURCES = ("spring", "summer", "autumn", "winter")


def lead(number: int) -> dict[str, Any]:
    """The body of one lead. Every tenth decides on purchases, which is what takes it over the policy's threshold."""
    made: dict[str, Any] = {
        "record_id": f"load-{number}",
        "business_unit": UNIT,
        "channel": _CHANNELS[number % 3],
        "source": _SOURCES[number % 4],
        "campaign": f"campaign {number % 20}",
        "email": f"person.{number}@example.com",
        "name": f"Person {number}",
        "company": f"Company {number % 500}",
        "job_title": "Head of Sales" if number % QUALIFIED_EVERY == 0 else ("Engineer", "Analyst")[number % 2],
    }
    if number % 3 == 0:
        made["phone"] = f"+31612{number % 1_000_000:06d}"
    return made


def interactions(number: int) -> list[dict[str, Any]]:
    """The bodies of what that lead did besides."""
    return [
        {
            "record_id": f"load-{number}-{place}",
            "business_unit": UNIT,
            "kind": "page_view",
            "channel": _CHANNELS[number % 3],
            "email": f"person.{number}@example.com",
            "value": f"/page/{number % 50}",
        }
        for place in range(INTERACTIONS)
    ]


def leads_body(numbers: Iterable[int]) -> bytes:
    """A batch of leads as it is posted."""
    return orjson.dumps([lead(number) for number in numbers])


def different_leads_body(numbers: Iterable[int]) -> bytes:
    """The same, each lead with three numbers that no other has all of, so that no two look alike to a model of these."""
    own = ({name: number // DIGITS**place % DIGITS for place, name in enumerate(OWN_NUMBERS)} for number in numbers)
    return orjson.dumps([lead(number) | {"attributes": digits} for number, digits in zip(numbers, own, strict=True)])


def unnamed_leads_body(numbers: Iterable[int]) -> bytes:
    """The same without ids of their sender's, for what is posted again and again: under its own id, capture would answer a
    repetition from memory, and the log would not see it."""
    return orjson.dumps(
        [{name: value for name, value in lead(number).items() if name != "record_id"} for number in numbers]
    )


def interactions_body(numbers: Iterable[int]) -> bytes:
    """A batch of all that these leads did besides."""
    return orjson.dumps([one for number in numbers for one in interactions(number)])


def is_won(number: int) -> bool:
    """Whether this lead becomes a customer."""
    return number % WON_EVERY == 0
