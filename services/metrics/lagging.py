"""How many days before customers came it was spent on them, as it is asked for."""

from __future__ import annotations

from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.forms import Cost, Definition
from shared.kit.errors import Rejected

MOST_DAYS = 3650


def takes_lag(definition: Definition) -> bool:
    """Whether people are won in its window who were paid for before it."""
    return isinstance(definition.form, Cost) and definition.form.lagged


def lag_of(definition: Definition, given: str) -> int:
    """The days; none where nothing is said. Raises `Rejected`."""
    if not given:
        return 0
    if not takes_lag(definition):
        raise Rejected(
            "This number is of what was spent in its window.", code="invalid-parameter", field="lag_days",
            fix=f"Leave it out, or ask for {', '.join(one.id for one in BY_ID.values() if takes_lag(one))}.",
        )  # fmt: skip
    if len(given) > 4 or not given.isascii() or not given.isdigit() or int(given) > MOST_DAYS:
        raise Rejected(
            "It is no number of days.", code="invalid-parameter", field="lag_days", fix=f"Write 0 to {MOST_DAYS}."
        )
    return int(given)
