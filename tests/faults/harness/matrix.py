"""The matrix of faults: each entry says what it breaks, how long that takes, and how it is done."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.harness.stage import Stage
    from tests.faults.harness.world import World

Strike = Callable[["World", random.Random], Awaitable[None]]
Play = Callable[["Stage", random.Random], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One way to break something. `seconds` is what it typically takes; `row` is its row in docs/reliability.md."""

    row: int
    name: str
    title: str
    seconds: float
    always: bool
    long_only: bool


@dataclass(frozen=True, slots=True)
class Fault(Entry):
    """Strikes a world in which leads and sales work keep coming; heals what it broke before it returns."""

    strike: Strike


@dataclass(frozen=True, slots=True)
class Scenario(Entry):
    """Stands alone, with servers of its own."""

    play: Play


FAULTS: dict[str, Fault] = {}
SCENARIOS: dict[str, Scenario] = {}


def fault(
    *, row: int, title: str, seconds: float, always: bool = False, long_only: bool = False
) -> Callable[[Strike], Strike]:
    """Enters a function into the matrix as a fault of the shared world. `always`: part of every short run."""

    def enter(strike: Strike) -> Strike:
        name = _name(strike)
        FAULTS[name] = Fault(row, name, title, seconds, always, long_only, strike)
        return strike

    return enter


def scenario(
    *, row: int, title: str, seconds: float, always: bool = False, long_only: bool = False
) -> Callable[[Play], Play]:
    """Enters a function into the matrix as a scenario with servers of its own."""

    def enter(play: Play) -> Play:
        name = _name(play)
        SCENARIOS[name] = Scenario(row, name, title, seconds, always, long_only, play)
        return play

    return enter


def _name(function: Callable[..., object]) -> str:
    name = function.__name__.replace("_", "-")
    if name in FAULTS or name in SCENARIOS:
        raise ValueError(f"two entries of the matrix are called {name}")
    return name
