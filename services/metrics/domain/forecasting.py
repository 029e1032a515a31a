"""What will be won by when: from the deals that are open, and from those that will be, by how long such things took."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from services.metrics.domain.expecting import LEVEL, Floats, Interval, Moments, interval_by_moments
from services.metrics.domain.statistics import Ages, cumulative_incidence

VERSION = 1
"""By which rules forecasts are made: raised with whatever makes them say something else of the same facts, and kept in what is
frozen. Those that were frozen before it was kept have none."""

METHODS = ("weighted", "historical", "combined")
"""By what a forecast is made: what people say of their deals, what became of deals like these, or both."""

TRUST = 0.5
"""How much what people say of a deal counts beside what became of deals like it, where they say when it closes and how likely."""


class Lag(NamedTuple):
    """How long something takes, by whole days: the share that has it within so many days (`reached`), and the share of which
    nothing is decided by then (`waiting`). `decided` is how many that is known of."""

    reached: Floats
    waiting: Floats
    decided: int

    def within(self, days: int) -> float:
        """The share that has it by that age."""
        return float(self.reached[min(max(days, 0), len(self.reached) - 1)])

    def between(self, age: int, start: int, end: int) -> float:
        """The chance that one of that age, of which nothing is decided, has it between so many and so many days from now."""
        left = float(self.waiting[min(age, len(self.waiting) - 1)])
        return 0.0 if left <= 0 else min(max(self.within(age + end) - self.within(age + start), 0.0) / left, 1.0)


def lag_of(outcome: Mapping[int, int], competing: Mapping[int, int], waiting: Mapping[int, int], days: int) -> Lag:
    """The Aalen–Johansen curve by days, of ages in days."""
    won, lost, open_still = ({float(age): n for age, n in ages.items()} for ages in (outcome, competing, waiting))
    curve, other = (cumulative_incidence(Ages(one, against, open_still)) for one, against in ((won, lost), (lost, won)))
    reached = np.array([curve.at(day) for day in range(days + 1)])
    failed = np.array([other.at(day) for day in range(days + 1)])
    decided = sum(outcome.values()) + sum(competing.values())
    return Lag(reached, np.clip(1 - reached - failed, 0.0, 1.0), decided)


def unevenness(counts: Sequence[int]) -> float:
    """How many times as far counts of equal times spread as they would if things came independently of each other; at least
    once as far."""
    n = sum(counts)
    if len(counts) < 2 or not n:
        return 1.0
    mean = n / len(counts)
    return max(sum((count - mean) ** 2 for count in counts) / (len(counts) - 1) / mean, 1.0)


class Worth(NamedTuple):
    """What one thing won has brought: how many there are of which that is known, and the means of its powers."""

    n: int = 0
    mean: float = 0.0
    square: float = 0.0
    cube: float = 0.0

    @property
    def of_all(self) -> float:
        """The variance of one, against its mean squared."""
        return max(self.square / self.mean**2 - 1, 0.0) if self.mean else 0.0


@dataclass(frozen=True, slots=True)
class Experience:
    """What the past says: how long deals take to be won, and leads to become deals; how many leads come a day, how unevenly
    (`unevenness` is 1 where they come independently of each other), and further deals of those who had one; what a win brings,
    those of other currencies bringing nothing."""

    deals: Lag
    leads: Lag
    leads_a_day: float
    leads_seen: int
    unevenness: float
    later_deals_a_day: float
    worth: Worth
    waiting_leads: Mapping[int, int] = field(default_factory=dict)


class OpenDeals(NamedTuple):
    """Open deals that are alike: their age in days, in how many days they are to close, their chance by stage, how many
    they are and the sums of the powers of their amounts."""

    age: int
    closes_in: int | None
    chance: float | None
    n: int
    amount: float
    squares: float
    cubes: float


class Part(NamedTuple):
    """One forecast: its mean, its interval, and what it is made of."""

    mean: float
    sd: float
    interval: Interval
    made_of: dict[str, float]


class Span(NamedTuple):
    """Days from now, half-open: from `start` to before `end`; a period that has begun starts now. `begun` days ago the one began
    that runs now: what was to be won in it and is not yet still may be."""

    start: int
    end: int
    begun: int = 0


@dataclass(frozen=True, slots=True)
class Coming:
    """What deals that are not open yet bring in a span, by where they come from, and how far that spreads."""

    open_leads: float = 0.0
    coming_leads: float = 0.0
    later_deals: float = 0.0
    variance: float = 0.0
    third: float = 0.0

    @property
    def mean(self) -> float:
        """All of it."""
        return self.open_leads + self.coming_leads + self.later_deals

    def share(self, part: float) -> Coming:
        """A part of it: what comes is as uneven, of less."""
        mean = self.mean * part
        own = self.variance * part if self.mean else 0.0
        return Coming(
            self.open_leads * part, self.coming_leads * part, self.later_deals * part, own if mean else 0.0, self.third * part
        )  # fmt: skip


def coming(known: Experience, span: Span) -> Coming:
    """Deals to be opened on each day from now on, each won by how long deals take. They come like accidents, as unevenly as
    leads do; that the past is known of a few only spreads it further."""
    if span.end <= span.start or not known.worth.n:
        return Coming()
    days = span.end
    opened = {
        "open_leads": _from_waiting(known, days),
        "coming_leads": known.leads_a_day * np.array([known.leads.within(day) for day in range(days)]),
        "later_deals": np.full(days, known.later_deals_a_day),
    }
    won_by = np.array(
        [known.deals.within(span.end - day) - (known.deals.within(span.start - day) if day < span.start else 0.0) for day in range(days)]
    )  # fmt: skip
    wins = {name: float(rate @ won_by) for name, rate in opened.items()}
    number, worth = sum(wins.values()), known.worth
    mean = number * worth.mean
    doubt = _doubt(known.deals) + worth.of_all / worth.n
    new = (wins["coming_leads"] + wins["later_deals"]) * worth.mean
    doubt_of_arrivals = known.unevenness / max(known.leads_seen, 1)
    # Of arrivals that come in lumps, each won or not by itself, wins come in smaller lumps.
    lumps = float(known.leads.reached[-1] * known.deals.reached[-1]) * (known.unevenness - 1)
    variance = number * (worth.square + lumps * worth.mean**2) + mean**2 * doubt + new**2 * doubt_of_arrivals
    return Coming(
        wins["open_leads"] * worth.mean, wins["coming_leads"] * worth.mean, wins["later_deals"] * worth.mean, variance,
        number * _third_of_lumps(worth, lumps),
    )  # fmt: skip


def _third_of_lumps(worth: Worth, lumps: float) -> float:
    """The third central moment of what wins bring that come in lumps of one and so many more, each win of its own worth."""
    of_one, of_two = worth.cube, 3 * lumps * worth.mean * worth.square
    return of_one + of_two + lumps * (lumps - 1) * worth.mean**3


def _from_waiting(known: Experience, days: int) -> Floats:
    """How many deals of leads that are there already are opened on each day."""
    found = np.zeros(days)
    for age, n in sorted(known.waiting_leads.items()):
        by_day = np.array([known.leads.between(age, 0, day) for day in range(days + 1)])
        found += n * np.diff(by_day)
    return found


def _doubt(lag: Lag) -> float:
    """The variance of a share that so many were decided for, against its square."""
    share = float(lag.reached[-1])
    return (1 - share) / (share * lag.decided) if share > 0 and lag.decided else 0.0


def weighted(deals: Iterable[OpenDeals], span: Span) -> Moments:
    """Open deals that are to close in the span, by their stage's chance; overdue ones in the period that runs."""
    return _sum((deal, deal.chance or 0.0) for deal in deals if _closes_in(deal, span))


def _closes_in(deal: OpenDeals, span: Span) -> bool:
    return deal.closes_in is not None and (span.start or -span.begun) <= deal.closes_in < span.end


def by_age(deals: Iterable[OpenDeals], lag: Lag, span: Span) -> Moments:
    """Open deals by what became of those that were open as long; that this is known of a few only spreads it further."""
    found = _sum((deal, lag.between(deal.age, span.start, span.end)) for deal in deals)
    return found._replace(variance=found.variance + found.mean**2 * _doubt(lag))


def both(deals: Iterable[OpenDeals], lag: Lag, span: Span) -> Moments:
    """Each open deal by what people say of it and by its age, so that those of owners add up to those of everybody."""
    chances, aged = [], []
    for deal in deals:
        share = (1 - _trust(deal, span)) * lag.between(deal.age, span.start, span.end)
        said = _trust(deal, span) * (deal.chance or 0.0) if _closes_in(deal, span) else 0.0
        chances.append((deal, said + share))
        aged.append(deal.amount * share)
    found = _sum(chances)
    return found._replace(variance=found.variance + math.fsum(aged) ** 2 * _doubt(lag))


def _sum(deals: Iterable[tuple[OpenDeals, float]]) -> Moments:
    known = list(deals)
    return Moments(
        math.fsum(deal.amount * p for deal, p in known),
        math.fsum(deal.squares * p * (1 - p) for deal, p in known),
        math.fsum(deal.cubes * p * (1 - p) * (1 - 2 * p) for deal, p in known),
        0.0,
        math.fsum(max(deal.amount, 0.0) for deal, p in known if p > 0),
    )


def _trust(deal: OpenDeals, span: Span) -> float:
    """What people say of a deal counts where they say when it closes, and how likely. Of one that was to close before the period
    that runs, they say nothing of any to come."""
    said = deal.closes_in is not None and deal.closes_in >= -span.begun and deal.chance is not None
    return TRUST if said else 0.0


def trust_in(deals: Sequence[OpenDeals], span: Span) -> float:
    """How much what people say counts of the value of all."""
    every = math.fsum(abs(deal.amount) for deal in deals)
    return math.fsum(abs(deal.amount) * _trust(deal, span) for deal in deals) / every if every else 0.0


def forecasts(
    won: float, deals: Sequence[OpenDeals], known: Experience, new: Coming, span: Span, level: float = LEVEL
) -> dict[str, Part]:
    """All three: what people say, what the past says, and both. What was won already is certain in each."""
    said, aged, mixed = weighted(deals, span), by_age(deals, known.deals, span), both(deals, known.deals, span)
    later = Moments(new.mean, new.variance, new.third, 0.0, math.inf if new.mean else 0.0)
    arrivals = {"open_leads": new.open_leads, "coming_leads": new.coming_leads, "later_deals": new.later_deals}
    trust = trust_in(deals, span)
    return {
        "weighted": _part(won, said, {"open_deals": said.mean}, level),
        "historical": _part(won, aged.plus(later), {"open_deals": aged.mean, **arrivals}, level),
        "combined": _part(won, mixed.plus(later), {"open_deals": mixed.mean, **arrivals, "trust": trust}, level),
    }


def _part(won: float, moments: Moments, made_of: dict[str, float], level: float) -> Part:
    interval = interval_by_moments(moments, level)
    moved = interval._replace(low=won + interval.low, high=won + interval.high)
    return Part(won + moments.mean, math.sqrt(max(moments.variance, 0.0)), moved, {"won": won, **made_of})
