"""What moved a number between two moments of knowledge: each kind of thing learned, and where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import factorial

from services.metrics.domain.answers import TOTAL
from services.metrics.domain.decomposing import NONE, Group, Part, exact
from services.metrics.domain.explaining import (
    NO_NUMBER,
    Answered,
    Asked,
    Change,
    adds_up,
    currencies,
    exact_value,
    of_currency,
    parts_between,
)
from services.metrics.domain.forms import Definition, Duration, Reach, Stay
from services.metrics.domain.knowledge import Kinds, subsets
from services.metrics.domain.not_parted import of_groups

KNOWLEDGE = "each kind of thing learned, the mean over every order of learning them (Shapley value)"
IN_GROUPS = f"{KNOWLEDGE}, and in each group what it moved there"


@dataclass(frozen=True, slots=True)
class Learning:
    """A number with every choice of what was learned, in one currency or of no money at all."""

    definition: Definition
    currency: str | None
    answers: Mapping[Kinds, Answered]
    met: Kinds

    def change(self, reported: Fraction | None, note: str | None) -> Change:
        """How far it moved, and each kind's part; in groups, where it is cut."""
        of = "mean" if isinstance(self.definition.form, Duration | Reach | Stay) else "value"
        values = {taken: exact_value(self.definition, answer) for taken, answer in self.answers.items()}
        first, last = values[Kinds()], values[self.met]
        begins = first if reported is None else reported
        if first is None or last is None:
            return Change(of, self.currency, begins, last, note=NO_NUMBER)
        known = {taken: first if value is None else value for taken, value in values.items()}
        is_cut = any(group is not TOTAL for answer in self.answers.values() for group in answer)
        parts = self._parts(known, self._in_groups if is_cut else _in_all)
        if is_cut and not any(part.group is not None for part in parts if part.amount):
            note = of_groups(self.definition)
        if reported is not None and reported != first:
            parts.insert(0, Part("definition", None, first - reported, reported, first))
        return Change(of, self.currency, begins, last, tuple(parts), IN_GROUPS if is_cut else KNOWLEDGE, note)

    def _parts(
        self,
        known: Mapping[Kinds, Fraction],
        moved: Callable[[Kinds, Kinds, Fraction], Mapping[Group | None, Fraction]],
    ) -> list[Part]:
        """Of each kind the mean of what it moves, over every order of learning; what that is of is added up by group."""
        orders = factorial(len(self.met))
        found: list[Part] = []
        for kind in sorted(self.met):
            amounts: dict[Group | None, Fraction] = defaultdict(Fraction)
            for ahead in subsets(self.met - {kind}):
                weight = Fraction(factorial(len(ahead)) * factorial(len(self.met) - len(ahead) - 1), orders)
                then = ahead | {kind}
                for group, amount in moved(ahead, then, known[then] - known[ahead]).items():
                    amounts[group] += weight * amount
            found += [Part(kind.value, group, amount) for group, amount in amounts.items()]
        return found

    def _in_groups(self, ahead: Kinds, then: Kinds, amount: Fraction) -> Mapping[Group | None, Fraction]:
        """What each group moved when one kind more was learned; everything together where groups cannot say it."""
        before, after = self.answers[ahead], self.answers[then]
        if not amount or not adds_up(self.definition, before) or not adds_up(self.definition, after):
            return {None: amount}
        parts, _ = parts_between(self.definition, before, after)
        if parts is None or sum((part.amount for part in parts), NONE) != amount:
            return {None: amount}
        found: dict[Group | None, Fraction] = defaultdict(Fraction)
        for part in parts:
            found[part.group] += part.amount
        return found


def _in_all(ahead: Kinds, then: Kinds, amount: Fraction) -> Mapping[Group | None, Fraction]:
    return {None: amount}


def learned_changes(
    definition: Definition,
    answer: Callable[[Kinds], Answered],
    met: Kinds,
    reported: float | None,
    note: str | None = None,
) -> list[Change]:
    """What moved a number between two moments of knowledge: each kind of thing learned, and, where it is told what was `reported`
    then, what that differs by from what today's definition makes of what was known."""
    kept = {taken: answer(taken) for taken in subsets(met)}
    sides = Asked.plain(kept[Kinds()]), Asked.plain(kept[met])
    return [
        Learning(
            definition, currency, {taken: of_currency(one, currency, definition) for taken, one in kept.items()}, met
        ).change(exact(reported), note)
        for currency in currencies(*sides)
    ]
