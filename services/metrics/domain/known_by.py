"""By what a number can be cut and filtered, where that is less than leads are known by."""

from __future__ import annotations

from typing import NamedTuple

from services.metrics.domain import spending, visiting
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.forms import Cost, DataQuality, Form, PerVisitor, Return, Visitors, Worth

RECORDS = tuple(name for name in DIMENSIONS if name != "reason")


class Known(NamedTuple):
    """What is known, in words, and by what."""

    what: str
    cuts: tuple[str, ...]


def known_by(form: Form) -> Known | None:
    """None where it is all that leads are known by."""
    if isinstance(form, Cost | Return | Worth):
        return Known("What was spent is", spending.CUTS)
    if isinstance(form, DataQuality):
        return Known("Records are", RECORDS)
    if isinstance(form, Visitors | PerVisitor):
        return Known("Visitors are", visiting.CUTS)
    return None
