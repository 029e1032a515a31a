"""What one currency was of another on a day, from all that was said of it, looked through again for each day."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from tests.integration.metrics.naive.line import Line


class Said(NamedTuple):
    """From a day on, until something else is said, one of a currency is so much of another."""

    currency: str
    into: str
    day: date
    rate: float


def rate_on(said: list[Said], currency: str, into: str, day: date) -> float | None:
    """As it was said or turned round, else by way of a third currency; nothing before anything was said."""
    if currency == into:
        return 1.0
    if (found := _between(said, currency, into, day)) is not None:
        return found
    for third in sorted({one.currency for one in said} | {one.into for one in said}):
        there, on = _between(said, currency, third, day), _between(said, third, into, day)
        if there is not None and on is not None:
            return there * on
    return None


def _between(said: list[Said], currency: str, into: str, day: date) -> float | None:
    """The last word by the day; of one day, as it was asked for goes before the other way round."""
    known = [(one.day, True, one.rate) for one in said if (one.currency, one.into) == (currency, into)]
    known += [(one.day, False, 1 / one.rate) for one in said if (one.into, one.currency) == (currency, into)]
    known = [one for one in known if one[0] <= day]
    return max(known)[2] if known else None


def worth_of(line: Line, said: list[Said], into: str, day: date) -> float | None:
    """What an amount is in a currency, at the rate of a day; nothing where there is no amount or no rate."""
    if line.amount is None or not line.currency:
        return None
    rate = rate_on(said, line.currency, into, day)
    return None if rate is None else line.amount * rate
