"""What a model's reasons say to a salesperson."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from services.scoring.domain.model.additive import Table
from services.scoring.domain.model.features import ATTRIBUTE, CONSENT, COUNTS, DID, FIELDS_KNOWN
from shared.contracts.interactions import INTERACTION_KINDS

BASE = "how leads like these usually end"
REST = "everything else together"

_SAID: Mapping[str, tuple[str, str]] = {
    "channel": ("came by {}", "came by an unknown channel"),
    "source": ("source: {}", "source not known"),
    "medium": ("medium: {}", "medium not known"),
    "campaign": ("campaign: {}", "without a campaign"),
    "job_title": ("works as {}", "position not known"),
    "country": ("country: {}", "country not known"),
    "language": ("speaks {}", "language not known"),
    "product": ("interested in {}", "product not known"),
    "business_unit": ("business unit {}", "business unit not known"),
    "captures": ("wrote to us {} times", "wrote to us 0 times"),
    "interactions": ("did something {} times", "has done nothing yet"),
    "active_days": ("active on {} days", "active on no day"),
    "last_7_days": ("{} times active in the last 7 days", "not active in the last 7 days"),
    "last_30_days": ("{} times active in the last 30 days", "not active in the last 30 days"),
    "days_since_last": ("last active {} days ago", "never active"),
    "age_days": ("known for {} days", "known for 0 days"),
    "minutes": ("{} minutes with us", "no time with us"),
    "fields_known": ("{} things known of the lead", "nothing known of the lead"),
}

_WHOLE = frozenset(COUNTS) - {"minutes"} | {FIELDS_KNOWN}

_PRESENCES = {"email": "e-mail address", "phone": "phone number", "company": "company"}


def feature_words(table: Table, cell: int) -> str:
    """What a cell of a feature says: the level where it is one of the model's own, the range of a number, never the value
    itself, which may be anybody's."""
    name = table.name
    if name in _PRESENCES:
        known = table.levels is not None and table.levels.get("true") == cell
        return f"{_PRESENCES[name]} {'known' if known else 'not known'}"
    said, unknown = _SAID.get(name) or _named(name)
    if cell == table.unknown:
        return unknown
    words = said.format(_value(table, cell))
    return words.replace(" 1 times", " once").replace(" 1 days", " 1 day")


def likelier(words: str, units: int) -> str:
    """The same with what it does to the lead's chances."""
    return f"{words}: {'more' if units > 0 else 'less'} likely"


def _named(name: str) -> tuple[str, str]:
    if name.startswith(DID):
        kind = name[len(DID) :]
        said = INTERACTION_KINDS.get(kind, kind.replace("_", " "))
        return f"{said}, {{}} times", f"never: {said}"
    if name.startswith(CONSENT):
        purpose = _plain(name[len(CONSENT) :])
        return f"consent to {purpose}: {{}}", f"not asked for consent to {purpose}"
    plain = _plain(name.removeprefix(ATTRIBUTE))
    return f"{plain}: {{}}", f"{plain} not known"


def _plain(text: str) -> str:
    """A name as it may stand in a sentence to be filled in."""
    return text.replace("_", " ").replace("{", "(").replace("}", ")")


def _value(table: Table, cell: int) -> str:
    if table.levels is not None:
        by_cell = _levels_by_cell(table.levels)
        named = by_cell.get(cell, [])
        return named[0] if len(named) == 1 else "one of several" if named else "one seldom seen"
    edges = table.edges
    if not edges:
        return "any number of"
    if table.name in _WHOLE or table.name.startswith(DID):
        return _count(edges, cell)
    if cell == 0:
        return f"less than {_number(edges[0])}"
    if cell == len(edges):
        return f"{_number(edges[-1])} or more"
    return f"{_number(edges[cell - 1])} to {_number(edges[cell])}"


def _count(edges: Sequence[float], cell: int) -> str:
    """A range of whole numbers."""
    least = 0 if cell == 0 else math.ceil(edges[cell - 1])
    if cell == len(edges):
        return f"{least:,} or more"
    most = math.ceil(edges[cell]) - 1
    return f"{most:,}" if least == most else f"at most {most:,}" if cell == 0 else f"{least:,} to {most:,}"


def _levels_by_cell(levels: Mapping[str, int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for level, cell in levels.items():
        found.setdefault(cell, []).append(level)
    return found


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"
