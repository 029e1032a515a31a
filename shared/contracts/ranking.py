"""How good a ranking of leads was, once it is known how they ended: the one definition that services and command line share,
from counts, so that parts of a whole can be added up first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

TOP = 0.1


class Ended(NamedTuple):
    """So many leads were told the same, and of so many of them the outcome followed."""

    leads: int
    followed: int


Tally = Mapping[float, Ended]
"""How those ended who were told a number, by the number."""


def tally(told: Iterable[tuple[float, bool]]) -> dict[float, Ended]:
    """From what each lead was told and whether the outcome followed."""
    counts: dict[float, list[int]] = {}
    for number, followed in told:
        found = counts.setdefault(number, [0, 0])
        found[0] += 1
        found[1] += followed
    return {number: Ended(*found) for number, found in counts.items()}


def auc(ended: Tally) -> float | None:
    """How often a lead of which the outcome followed was told more than one of which it did not, ties counting half. None
    where all ended alike."""
    followed = sum(one.followed for one in ended.values())
    others = sum(one.leads for one in ended.values()) - followed
    if not followed or not others:
        return None
    won = 0.0
    below = 0
    for number in sorted(ended):
        here = ended[number].leads - ended[number].followed
        won += ended[number].followed * (below + here / 2)
        below += here
    return won / (followed * others)


def lift(ended: Tally, share: float = TOP) -> float | None:
    """How many times as often the outcome followed of the best share of the leads as of all. Those who were told the same
    are taken in part where the share ends among them. None where it followed of nobody."""
    leads = sum(one.leads for one in ended.values())
    followed = sum(one.followed for one in ended.values())
    if not followed:
        return None
    wanted = leads * share
    left, found = wanted, 0.0
    for number in sorted(ended, reverse=True):
        taken = min(left, ended[number].leads)
        found += ended[number].followed * taken / ended[number].leads
        left -= taken
        if left <= 0:
            break
    return (found / wanted) / (followed / leads)
