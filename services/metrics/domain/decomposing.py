"""A change of a number in parts that add up to it, exactly: everything is done in fractions. Swapping what was before and what is
after turns every sign round, and what did not change has no part.

Two factors at once are parted as Bennet did ("The theory of measurement of changes in cost of living", Journal of the Royal
Statistical Society 83, 1920): each change is valued at the mean of what the other factor was before and after. That is the
Shapley value of two factors, and `shapley` is that of any number of them (Shorrocks, "Decomposition procedures for distributional
analysis", Journal of Economic Inequality 11, 2013). A logarithmic mean would part products as well, but logarithms are no fractions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from itertools import combinations
from math import factorial
from typing import NamedTuple, TypeVar

Group = tuple[str | None, ...]
Player = TypeVar("Player")
NONE = Fraction(0)


class Quotient(NamedTuple):
    """What stands above a line and below it."""

    above: Fraction
    below: Fraction

    @property
    def rate(self) -> Fraction | None:
        """The one by the other, where there is anything below."""
        return self.above / self.below if self.below else None


def exact(number: float | str | None) -> Fraction | None:
    """A number as it is shown, as a fraction."""
    return None if number is None else Fraction(number if isinstance(number, int) else repr(float(number)))


class Part(NamedTuple):
    """How much of a change came of one cause, in one group or in everything (None). `before` and `after` are what moved: a
    number, a share of the whole, a rate."""

    cause: str
    group: Group | None
    amount: Fraction
    before: Fraction | None = None
    after: Fraction | None = None


Quotients = Mapping[Group, Quotient]
NOTHING = Quotient(NONE, NONE)


def of_counts(before: Mapping[Group, Fraction], after: Mapping[Group, Fraction]) -> list[Part]:
    """A sum moved by what each group moved."""
    return [
        Part("volume", group, after.get(group, NONE) - before.get(group, NONE), before.get(group, NONE), after.get(group, NONE))
        for group in _groups(before, after)
    ]  # fmt: skip


def of_shares(before: Quotients, after: Quotients) -> list[Part] | None:
    """A rate of the whole moved by `mix`, in which groups the whole lies, and by `rate` within groups. A group that grew counts for
    the mix as far as its rate is above that of the whole (what is below it, against). A group that was not there before or is
    not after moved the mix and no rate. None where the whole has no rate, or a group has something above and nothing below."""
    was, became = _whole(before), _whole(after)
    if was.rate is None or became.rate is None:
        return None
    level = (was.rate + became.rate) / 2
    parts: list[Part] = []
    for group in _groups(before, after):
        old, new = before.get(group, NOTHING), after.get(group, NOTHING)
        if any(one.above and not one.below for one in (old, new)):
            return None
        first = old.rate if old.rate is not None else new.rate
        last = new.rate if new.rate is not None else old.rate
        if first is None or last is None:
            continue
        shares = old.below / was.below, new.below / became.below
        mix = ((first + last) / 2 - level) * (shares[1] - shares[0])
        parts.append(Part("mix", group, mix, *shares))
        parts.append(Part("rate", group, (shares[0] + shares[1]) / 2 * (last - first), old.rate, new.rate))
    return parts


def of_quotient(before: Quotients, after: Quotients) -> list[Part] | None:
    """A quotient whose two sides are not of the same people moved by what each group brought above the line, and below it."""
    was, became = _whole(before), _whole(after)
    if not was.below or not became.below:
        return None
    weight = (1 / was.below + 1 / became.below) / 2
    against = -(was.above + became.above) / 2 / (was.below * became.below)
    parts: list[Part] = []
    for group in _groups(before, after):
        old, new = before.get(group, NOTHING), after.get(group, NOTHING)
        parts.append(Part("above", group, weight * (new.above - old.above), old.above, new.above))
        parts.append(Part("below", group, against * (new.below - old.below), old.below, new.below))
    return parts


def of_totals(before: Quotients, after: Quotients) -> list[Part]:
    """A sum of what is above the line moved by `volume`, how many there are, each worth what one is on average; by `mix`, in which
    groups they are; and by `rate`, what one is worth there. Where there was nobody, all is volume."""
    shares = of_shares(before, after)
    if shares is None:
        return of_counts(_aboves(before), _aboves(after))
    was, became = _whole(before), _whole(after)
    assert was.rate is not None
    assert became.rate is not None
    worth, number = (was.rate + became.rate) / 2, (was.below + became.below) / 2
    volumes = of_counts(_belows(before), _belows(after))
    return [
        *(part._replace(amount=worth * part.amount) for part in volumes),
        *(part._replace(amount=number * part.amount) for part in shares),
    ]


def of_daily(
    before: Mapping[Group, Fraction], after: Mapping[Group, Fraction], days: tuple[Fraction, Fraction]
) -> list[Part] | None:
    """A number a day moved by how many there were, and by how many days there were for them."""  # fmt: skip
    if not all(days):
        return None
    was, became = sum(before.values(), NONE), sum(after.values(), NONE)
    weight = (1 / days[0] + 1 / days[1]) / 2
    counts = of_counts(before, after)
    parts = [part._replace(amount=weight * part.amount) for part in counts]
    return [*parts, Part("days", None, (was + became) / 2 * (1 / days[1] - 1 / days[0]), *days)]


class Expected(NamedTuple):
    """What open deals are expected to bring over what they are worth in full, and what was won."""

    open: Quotient
    won: Fraction


def of_expected(before: Mapping[Group, Expected], after: Mapping[Group, Expected]) -> list[Part]:
    """A weighted forecast moved by how much is open in each group, how likely that is to be won, and what was won. Where nothing
    is open on one side, it is as likely there as on the other."""
    nobody = Expected(NOTHING, NONE)
    parts: list[Part] = []
    for group in _groups(before, after):
        was, became = before.get(group, nobody), after.get(group, nobody)
        first = was.open.rate if was.open.rate is not None else became.open.rate or NONE
        last = became.open.rate if became.open.rate is not None else first
        amounts = was.open.below, became.open.below
        parts.append(Part("open", group, (amounts[1] - amounts[0]) * (first + last) / 2, *amounts))
        parts.append(Part("chance", group, (last - first) * (amounts[0] + amounts[1]) / 2, first, last))
        parts.append(Part("won", group, became.won - was.won, was.won, became.won))
    return parts


def of_factors(
    before: Mapping[str, Fraction], after: Mapping[str, Fraction], value: Callable[[Mapping[str, Fraction]], Fraction]
) -> list[Part]:
    """A number made of factors moved by each of them: the mean of what it moves, over every order in which they move."""

    def moved(ahead: frozenset[str]) -> Fraction:
        return value({name: after[name] if name in ahead else before[name] for name in before})

    found = shapley(tuple(before), moved)
    return [Part(name, None, amount, before[name], after[name]) for name, amount in found.items()]


def of_mixture(value: Callable[[bool, bool], float | None]) -> list[Part] | None:
    """A number of a whole that is no mean of its groups, such as a median, moved by the mix of groups and by what is `within` them.
    `value` makes it of the groups' shares before or after (True), and of what was within them before or after. How far a single
    group moved a median is not parted: there is no way to do that which adds up and asks nothing of the order. The whole's
    weights are those of DiNardo, Fortin and Lemieux ("Labor market institutions and the distribution of wages", Econometrica 64,
    1996), the groups being the only thing reweighted for."""
    found = [value(mix, within) for mix, within in ((False, False), (True, False), (False, True), (True, True))]
    if any(one is None for one in found):
        return None
    nothing, mixed, changed, both = (Fraction(repr(float(one))) for one in found if one is not None)
    mix = ((mixed - nothing) + (both - changed)) / 2
    return [Part("mix", None, mix), Part("within", None, both - nothing - mix)]


def shapley(players: Collection[Player], value: Callable[[frozenset[Player]], Fraction]) -> dict[Player, Fraction]:
    """What each brings: the mean of what it adds to those that came before it, over every order of coming. All that is added by
    everybody is shared out."""
    kept = {
        ahead: value(ahead)
        for size in range(len(players) + 1)
        for ahead in map(frozenset, combinations(players, size))
    }  # fmt: skip
    orders = factorial(len(players))
    found: dict[Player, Fraction] = {}
    for player in players:
        amount = NONE
        for ahead, worth in kept.items():
            if player not in ahead:
                weight = factorial(len(ahead)) * factorial(len(players) - len(ahead) - 1)
                amount += Fraction(weight, orders) * (kept[ahead | {player}] - worth)
        found[player] = amount
    return found


def _groups(before: Mapping[Group, object], after: Mapping[Group, object]) -> list[Group]:
    return list(dict.fromkeys((*before, *after)))


def _whole(groups: Quotients) -> Quotient:
    return Quotient(
        sum((one.above for one in groups.values()), NONE), sum((one.below for one in groups.values()), NONE)
    )


def _aboves(groups: Quotients) -> dict[Group, Fraction]:
    return {group: one.above for group, one in groups.items()}


def _belows(groups: Quotients) -> dict[Group, Fraction]:
    return {group: one.below for group, one in groups.items()}
