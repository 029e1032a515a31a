"""Which server a test run uses: the first of several ways that works here, or the one that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace


class NotHere(Exception):
    """This way does not work on this machine. Says why, in half a sentence."""


class Unusable(Exception):
    """What was asked for by name cannot be had: nothing else is taken in its place."""


@dataclass(frozen=True, slots=True)
class Server:
    """What a run uses: how it came by it, where it is, in words, and why the ways before it were passed over.

    `address` is empty when each worker starts a server of its own.
    """

    way: str
    spoken: str
    address: str = ""
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """One way to come by a server; `open` leaves on the stack what ends it again, and may raise `NotHere`."""

    name: str
    open: Callable[[ExitStack], Server]


def choose(what: str, ways: Sequence[Way], asked: str, stack: ExitStack) -> Server:
    """The first way that works; with `asked`, only that one. Raises `Unusable` when there is none."""
    known = {way.name: way for way in ways}
    if asked and asked not in known:
        raise Unusable(f"there is no {what} {asked!r}; there are {', '.join(known)}")
    reasons: list[str] = []
    for way in [known[asked]] if asked else ways:
        try:
            return replace(way.open(stack), passed_over=tuple(reasons))
        except NotHere as reason:
            reasons.append(f"{way.name}: {reason}")
    raise Unusable(f"no {what} can be had here: {'; '.join(reasons)}")


def asked_for(environment: Mapping[str, str], variable: str) -> str:
    """The way that a variable asks for; empty when it leaves the choice."""
    return environment.get(variable, "").strip().lower()
