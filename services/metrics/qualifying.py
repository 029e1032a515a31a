"""What moved a number of qualified leads between two windows, by the version of the policy that qualified them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from services.metrics.domain import decomposing
from services.metrics.domain.answers import TOTAL
from services.metrics.domain.decomposing import NONE, Group, Part, Quotient, exact
from services.metrics.domain.entries import Measure
from services.metrics.domain.explaining import COUNTS, NO_NUMBER, SIDES, Asked, Change
from services.metrics.domain.forms import Count, Definition, Ratio, Share
from services.metrics.domain.questions import Question
from services.metrics.explaining import Explaining
from services.metrics.storage.versions import MOST_QUALIFIED, qualified_by

QUALIFIED = (Measure.LEAD_QUALIFIED, Measure.COHORT_QUALIFIED)
REST: Group = ()
"""What stands below the line and was qualified by nobody."""


def counted(definition: Definition) -> Measure | None:
    """The qualifications that a number counts; None where it counts none."""
    match definition.form:
        case Count(measure, _) | Ratio(measure, _, _) | Share(_, measure, _) if measure in QUALIFIED:
            return measure
        case _:
            return None


@dataclass(frozen=True, slots=True)
class ByVersion:
    """Parts both windows by version. A younger cohort is compared with what the older one was at its age."""

    explaining: Explaining

    async def between_windows(self, before: Question, after: Question) -> tuple[Asked, Asked, list[Change]]:
        """What moved it from one window to the other."""
        measure = counted(after.definition)
        assert measure is not None
        asked = await self.explaining.asked(before, like=after), await self.explaining.asked(after, like=before)
        whole, alike = [], []
        for question, one in zip((before, after), asked, strict=True):
            younger = self.explaining.younger(question, like=after if question is before else before)
            side = await self._sides(question, one.answer, measure)
            like = side if younger is None or side is None else await self._sides(younger, one.alike, measure)
            if side is None or like is None:
                note = f"More than {MOST_QUALIFIED:,} were qualified: ask about shorter windows, or fewer of them."
                return *asked, [Change("value", None, _told(asked[0].answer), _told(asked[1].answer), note=note)]
            whole.append(side)
            alike.append(like)
        first, from_alike, to_alike, last = (_value(side) for side in (whole[0], alike[0], alike[1], whole[1]))
        if first is None or from_alike is None or to_alike is None or last is None:
            return *asked, [Change("value", None, first, last, note=NO_NUMBER)]
        if isinstance(after.definition.form, Count):
            counts = [{group: side.above for group, side in one.items()} for one in alike]
            parts, method = decomposing.of_counts(counts[0], counts[1]), COUNTS
        else:
            parts, method = decomposing.of_quotient(alike[0], alike[1]) or [], SIDES
        parts = [part._replace(group=None) if part.group == REST else part for part in parts]
        aged = (from_alike - first) + (last - to_alike)
        if aged:
            parts.insert(0, Part("age", None, aged))
        return *asked, [Change("value", None, first, last, tuple(parts), method)]

    async def _sides(
        self, question: Question, answer: Mapping[Group | None, Mapping[str, object]], measure: Measure
    ) -> dict[Group, Quotient] | None:
        """What each version qualified, above the line and, where that is of them too, below it; and the rest below it. None where
        they are too many to look up."""
        versions = await qualified_by(self.explaining.database, question, measure)
        if versions is None:
            return None
        form, total = question.definition.form, answer[TOTAL]
        is_below = isinstance(form, Ratio) and measure in form.denominator
        found: dict[Group, Quotient] = {}
        for version, n in versions.items():
            found[version,] = Quotient(Fraction(n), Fraction(n) if is_below else NONE)
        if not isinstance(form, Count):
            below = total["denominator"]
            whole = exact(below) if isinstance(below, int | float) else None
            found[REST] = Quotient(NONE, (whole or NONE) - sum((one.below for one in found.values()), NONE))
        return found


def _value(sides: Mapping[Group, Quotient]) -> Fraction | None:
    above, below = (sum((one[place] for one in sides.values()), NONE) for place in (0, 1))
    if REST not in sides:
        return above
    return above / below if below else None


def _told(answer: Mapping[Group | None, Mapping[str, object]]) -> Fraction | None:
    value = answer[TOTAL].get("value")
    return exact(value) if isinstance(value, int | float) else None
