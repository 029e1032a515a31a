"""What moved a number that stands against a target."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from services.metrics.domain import decomposing
from services.metrics.domain.answers import Values
from services.metrics.domain.decomposing import NONE, Part, Quotient, exact
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.explaining import Change
from services.metrics.domain.forms import Coverage, Pace
from services.metrics.domain.targets import TargetForm, accumulates

TARGET = "what is there and what is wanted, each at the mean of what the other was (Bennet 1920)"
PACE = "what is there, and each thing that says what should be by now, the mean over every order (Shapley value)"
NO_TARGET = "There is no target on one of the sides, or nothing that it lacks, and so no change."


def of_target(form: TargetForm, before: Values, after: Values) -> Change:
    """What moved a target's attainment, pace or cover: the number itself, and what is wanted of it."""
    old, new = _sides(before), _sides(after)
    currency = after.get("currency") or before.get("currency")
    if old is None or new is None or old.rate is None or new.rate is None:
        return Change("value", currency, old and old.rate, new and new.rate, note=NO_TARGET)
    if isinstance(form, Pace) and (found := _of_pace(before["target"], after["target"], old, new)) is not None:
        return found
    above = (1 / old.below + 1 / new.below) / 2 * (new.above - old.above)
    against = -(old.above + new.above) / 2 / (old.below * new.below)
    wanted = [exact(side["target"]["value"]) or NONE for side in (before, after)]
    if isinstance(form, Coverage):  # what a target lacks is what it is less what was won
        won = wanted[0] - old.below, wanted[1] - new.below
        parts = [
            Part("open", None, above, old.above, new.above),
            Part("target", None, against * (wanted[1] - wanted[0]), *wanted),
            Part("won", None, against * (won[0] - won[1]), *won),
        ]
    else:
        parts = [
            Part("actual", None, above, old.above, new.above),
            Part("target", None, against * (new.below - old.below), old.below, new.below),
        ]
    return Change("value", currency, old.rate, new.rate, tuple(parts), TARGET)


def _of_pace(before: Mapping[str, Any], after: Mapping[str, Any], old: Quotient, new: Quotient) -> Change | None:
    """Parts of what is there, of the target, of where it started and of how much time has passed; None where there would be
    nothing wanted by then in between."""
    sides = [_made_of(target, one) for target, one in ((before, old), (after, new))]
    if sides[0] is None or sides[1] is None or sides[0].keys() != sides[1].keys():
        return None
    try:
        parts = decomposing.of_factors(sides[0], sides[1], _pace)
    except ZeroDivisionError:
        return None
    return Change("value", None, _pace(sides[0]), _pace(sides[1]), tuple(parts), PACE)


def _made_of(target: Mapping[str, Any], one: Quotient) -> dict[str, Fraction] | None:
    wanted, elapsed, baseline = (exact(target[name]) for name in ("value", "elapsed_share", "baseline"))
    if wanted is None or elapsed is None:
        return None
    found = {"actual": one.above, "target": wanted, "elapsed": elapsed}
    return found if baseline is None or accumulates(BY_ID[target["kpi"]]) else {**found, "baseline": baseline}


def _pace(factors: Mapping[str, Fraction]) -> Fraction:
    wanted, elapsed = factors["target"], factors["elapsed"]
    baseline = factors.get("baseline", NONE)
    return factors["actual"] / (baseline + (wanted - baseline) * elapsed)


def _sides(values: Values) -> Quotient | None:
    """What is above and below the line of an answer."""
    if values.get("value") is None or values.get("target") is None:
        return None
    return Quotient(exact(values["numerator"]) or NONE, exact(values["denominator"]) or NONE)
