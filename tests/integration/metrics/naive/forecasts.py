"""What will be won in a period, in three ways, by their sentences in the catalogue: from lines, deal by deal and day by day."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import NamedTuple

from tests.integration.metrics.naive.asked import DAY_SECONDS, Asked
from tests.integration.metrics.naive.calendars import periods_from
from tests.integration.metrics.naive.line import Line
from tests.integration.metrics.naive.rates import Said, worth_of

LONGEST_DAYS = 1_461
EXPERIENCE, LATELY, A_YEAR, BLOCK, BLOCKS = timedelta(days=730), 26, timedelta(days=365), 4, 13
"""How far back it goes: how long things took, how much comes (in weeks), what a win brings, how uneven it comes (in blocks of weeks)."""

Owner = str | None


class Took(NamedTuple):
    """By each age in whole days: the share that got there by then, and the share that nothing had become of."""

    there: list[float]
    untouched: list[float]
    decided: int

    def in_days(self, age: int, start: int, end: int) -> float:
        """How likely one of an age, that nothing has become of, gets there between so many and so many days from now."""
        now, first, last = (min(max(days, 0), LONGEST_DAYS) for days in (age, age + start, age + end))
        left = self.untouched[now]
        return min(max(self.there[last] - self.there[first], 0.0) / left, 1.0) if left > 1e-12 else 0.0

    @property
    def doubt(self) -> float:
        """The variance of the share that gets there, known from so many, against its square."""
        share = self.there[-1]
        return (1 - share) / share / self.decided if share > 0 else 0.0


class Sum(NamedTuple):
    """A sum of what may be won: its mean, variance and third central moment, and the most that it can be."""

    mean: float = 0.0
    variance: float = 0.0
    third: float = 0.0
    most: float = 0.0


class Number(NamedTuple):
    """One forecast: what was won, and what is to come on top of it."""

    won: float
    to_come: Sum
    made_of: dict[str, float]


class OpenDeal(NamedTuple):
    """What it is worth today, for how many days it is open, and what people say: when it closes, and how likely."""

    amount: float
    age: int
    closes: date | None
    chance: float | None


def took(outcomes: list[Line], others: list[Line], ages: list[int]) -> Took:
    """What became of a group: day by day, of those that nothing had become of before. What takes a part of a day takes a day."""
    ends, fails = ([math.ceil((line.seconds or 0.0) / DAY_SECONDS) for line in lines] for lines in (outcomes, others))
    everybody = [*ends, *fails, *ages]
    share, left = 0.0, 1.0
    found = Took([], [], len(ends) + len(fails))
    for day in range(LONGEST_DAYS + 1):
        if day in ends or day in fails:
            at_risk = sum(age >= day for age in everybody)
            share += left * ends.count(day) / at_risk
            left *= 1 - (ends.count(day) + fails.count(day)) / at_risk
        found.there.append(share)
        found.untouched.append(left)
    return found


@dataclass
class Foreseen:
    """Forecasts as of a moment, in one currency, of all that a question lets pass, parted by owner, team or unit or not at all."""

    asked: Asked
    currency: str
    said: list[Said]
    by: str | None
    unit: str | None
    known: dict[tuple[date, date, str], dict[Owner | bool, dict[str, Number]]] = field(default_factory=dict)

    def lines(self, what: str) -> list[Line]:
        """What counts of the units that are asked about."""
        return [line for line in self.asked.lines.get(what, []) if self.unit in (None, line.unit)]

    def since(self, what: str, past: timedelta) -> list[Line]:
        return [line for line in self.lines(what) if line.at > self.asked.as_of - past]

    def whose(self, line: Line) -> Owner:
        if self.by is None:
            return None
        return line.unit if self.by == "business_unit" else line.cuts[self.by]

    def age(self, line: Line) -> int:
        return math.floor((self.asked.as_of - line.began) / timedelta(days=1))

    @cached_property
    def today(self) -> date:
        return self.asked.day_of(self.unit or "default", self.asked.as_of)

    @cached_property
    def deals(self) -> Took:
        """How long deals take that were opened in the last two years."""
        won, lost, still = (self._lately_begun(what) for what in ("won", "lost", "open"))
        return took(won, lost, [self.age(line) for line in still])

    @cached_property
    def leads(self) -> Took:
        """How long leads of the last two years take to have a deal."""
        converted, archived = (self._lately_begun(what) for what in ("of cohort: converted", "of cohort: archived"))
        return took(converted, archived, self.waiting_leads)

    @cached_property
    def waiting_leads(self) -> list[int]:
        """The ages of leads of which neither has become anything."""
        decided = {line.who for what in ("of cohort: converted", "of cohort: archived") for line in self.lines(what)}
        return [self.age(line) for line in self._lately_begun("created") if line.who not in decided]

    def _lately_begun(self, what: str) -> list[Line]:
        return [line for line in self.lines(what) if line.began >= self.asked.as_of - EXPERIENCE]

    @cached_property
    def weeks(self) -> dict[str, list[int]]:
        """How many weeks ago each lead and deal of the last year came."""
        return {
            what: [math.floor((self.asked.as_of - line.at) / timedelta(weeks=1)) for line in self.since(what, timedelta(weeks=BLOCK * BLOCKS))]
            for what in ("created", "opened", "converted")
        }  # fmt: skip

    @cached_property
    def weeks_known(self) -> int:
        return 1 + max((week for weeks in self.weeks.values() for week in weeks), default=0)

    def lately(self, what: str) -> int:
        return sum(week < min(LATELY, self.weeks_known) for week in self.weeks[what])

    def a_day(self, n: int) -> float:
        return max(n, 0) / 7 / min(LATELY, self.weeks_known)

    @cached_property
    def unevenness(self) -> float:
        """The variance of how many leads came in whole blocks of four weeks, against that of what comes by chance."""
        counts = [
            sum(week // BLOCK == block for week in self.weeks["created"]) for block in range(self.weeks_known // BLOCK)
        ]
        if len(counts) < 2 or not sum(counts):
            return 1.0
        mean = sum(counts) / len(counts)
        return max(1.0, sum((count - mean) ** 2 for count in counts) / (len(counts) - 1) / mean)

    @cached_property
    def wins(self) -> list[tuple[Owner, float | None]]:
        """Whose each win of the last year was, and what it brought."""
        return [(self.whose(line), self.then(line)) for line in self.since("won", A_YEAR)]

    def then(self, line: Line) -> float | None:
        """What something was worth on its own day."""
        return worth_of(line, self.said, self.currency, self.asked.day_of(line.unit, line.at))

    def power(self, n: int) -> float:
        """The mean of a power of what a win brings; one of which nothing is known brings nothing."""
        return sum((worth or 0.0) ** n for _, worth in self.wins) / len(self.wins) if self.wins else 0.0

    def share(self, owner: Owner) -> float:
        """Whose part of what comes is how large."""
        every = sum(worth or 0.0 for _, worth in self.wins)
        return sum(worth or 0.0 for whose, worth in self.wins if whose == owner) / every if every else 0.0

    @cached_property
    def open_deals(self) -> dict[Owner, list[OpenDeal]]:
        found: dict[Owner, list[OpenDeal]] = defaultdict(list)
        for line in self.lines("open"):
            amount = worth_of(line, self.said, self.currency, self.today)
            if amount is not None:
                closes = None if line.until is None else self.asked.day_of(line.unit, line.until)
                found[self.whose(line)].append(OpenDeal(amount, self.age(line), closes, line.chance))
        return found

    def forecasts(self, first: date, after: date, kind: str) -> dict[Owner | bool, dict[str, Number]]:
        """All three of a period of a kind: in total (True) and of each group. What was worked out once is not again."""
        asked = first, after, kind
        if asked not in self.known:
            self.known[asked] = self._forecasts(*asked)
        return self.known[asked]

    def _forecasts(self, first: date, after: date, kind: str) -> dict[Owner | bool, dict[str, Number]]:
        calendar = self.asked.calendars[self.unit or "default"]
        ((_, runs, _),) = periods_from(self.today, kind, calendar, 1)
        won: dict[Owner, float] = defaultdict(float)
        for line in self.lines("won"):
            if first <= self.asked.day_of(line.unit, line.at) < after:
                won[self.whose(line)] += self.then(line) or 0.0
        coming = self._coming(first, after)
        everything = [deal for deals in self.open_deals.values() for deal in deals]
        found: dict[Owner | bool, dict[str, Number]] = {
            True: self._three(sum(won.values()), everything, coming, 1.0, first, after, runs)
        }
        groups = {*won, *self.open_deals, *(owner for owner, _ in self.wins)} if self.by is not None else set()
        for owner in groups:
            deals = self.open_deals.get(owner, [])
            found[owner] = self._three(won.get(owner, 0.0), deals, coming, self.share(owner), first, after, runs)
        return found

    def _coming(self, first: date, after: date) -> tuple[dict[str, float], Sum]:
        """What deals bring that are opened from today on, by what they come from: each day so many, each won so many days later."""
        start, end = max((first - self.today).days, 0), max((after - self.today).days, 0)
        wins = dict.fromkeys(("open_leads", "coming_leads", "later_deals"), 0.0)
        leads_a_day, later_a_day = self.a_day(self.lately("created")), self.a_day(self.later)
        for day in range(end if self.wins else 0):
            won = self.deals.there[min(end - day, LONGEST_DAYS)]
            won -= self.deals.there[min(start - day, LONGEST_DAYS)] if day < start else 0.0
            wins["open_leads"] += won * sum(self.leads.in_days(age, day, day + 1) for age in self.waiting_leads)
            wins["coming_leads"] += won * leads_a_day * self.leads.there[min(day, LONGEST_DAYS)]
            wins["later_deals"] += won * later_a_day
        mean, number = self.power(1), sum(wins.values())
        made_of = {name: n * mean for name, n in wins.items()}
        of_one = max(self.power(2) - mean**2, 0.0)
        # Of what comes in lumps only a part is won, so that wins come in smaller lumps.
        lumps = 1 + (self.unevenness - 1) * self.leads.there[-1] * self.deals.there[-1]
        variance = number * of_one + number * lumps * mean**2
        if mean:
            variance += (number * mean) ** 2 * (self.deals.doubt + of_one / mean**2 / len(self.wins))
        new = made_of["coming_leads"] + made_of["later_deals"]
        variance += new**2 * self.unevenness / max(self.lately("created"), 1)
        # Of a number of wins that comes in lumps of one size, each win worth something by itself: what both do to the third moment.
        third_of_one = self.power(3) - 3 * mean * self.power(2) + 2 * mean**3
        third = number * third_of_one + 3 * number * lumps * mean * of_one + number * lumps**2 * mean**3
        return made_of, Sum(number * mean, variance, third)

    @property
    def later(self) -> int:
        """Deals of who had one, lately."""
        return self.lately("opened") - self.lately("converted")

    def _three(
        self, won: float, deals: list[OpenDeal], coming: tuple[dict[str, float], Sum], share: float, first: date, after: date,
        runs: date,
    ) -> dict[str, Number]:  # fmt: skip
        start, end = max((first - self.today).days, 0), max((after - self.today).days, 0)
        likely, aged, mixed, by_age, believed = [], [], [], 0.0, 0.0
        for deal in deals:
            said = (deal.chance or 0.0) if deal.closes and first <= deal.closes < after else 0.0
            past = self.deals.in_days(deal.age, start, end)
            trust = 0.5 if deal.closes and deal.closes >= runs and deal.chance is not None else 0.0
            likely.append((deal.amount, said))
            aged.append((deal.amount, past))
            mixed.append((deal.amount, trust * said + (1 - trust) * past))
            by_age += deal.amount * (1 - trust) * past
            believed += abs(deal.amount) * trust
        by_stage, all_by_age, both = of_all(likely), of_all(aged), of_all(mixed)
        all_by_age = all_by_age._replace(variance=all_by_age.variance + all_by_age.mean**2 * self.deals.doubt)
        both = both._replace(variance=both.variance + by_age**2 * self.deals.doubt)
        every = sum(abs(deal.amount) for deal in deals)
        trust = believed / every if every else 0.0
        made_of, new = coming
        parts = {name: part * share for name, part in made_of.items()}
        more = Sum(new.mean * share, new.variance * share, new.third * share, math.inf if new.mean * share else 0.0)
        return {
            "weighted": Number(won, by_stage, {"won": won, "open_deals": by_stage.mean}),
            "historical": Number(won, plus(all_by_age, more), {"won": won, "open_deals": all_by_age.mean, **parts}),
            "combined": Number(won, plus(both, more), {"won": won, "open_deals": both.mean, **parts, "trust": trust}),
        }


def of_all(deals: list[tuple[float, float]]) -> Sum:
    """Of amounts that are each had or not, with a chance: the sum's moments, one by one from what may happen to each."""
    mean = variance = third = most = 0.0
    for amount, chance in deals:
        own = amount * chance
        mean += own
        variance += chance * (amount - own) ** 2 + (1 - chance) * own**2
        third += chance * (amount - own) ** 3 + (1 - chance) * (-own) ** 3
        most += max(amount, 0.0) if chance > 0 else 0.0
    return Sum(mean, variance, third, most)


def plus(one: Sum, other: Sum) -> Sum:
    return Sum(*(a + b for a, b in zip(one, other, strict=True)))
