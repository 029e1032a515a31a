"""Addresses of machines: they tell who somebody is and nothing about what they want, so none is kept, whatever its field is called
and wherever it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

LONGEST_NAME = 60
MAX_DEPTH = 32
"""Deeper than attributes may be nested: what is deeper is refused as it is."""

MOST_NAMES = 4096
"""So many names are remembered."""

_NESTING = frozenset({dict, list})
_OTHERS: set[str] = set()
"""Names that were looked at lately and hold no address: what is no more than a look-up saves asking for each."""

_SEPARATORS = re.compile(r"[^a-z0-9]+")
_OF_MACHINES = re.compile(
    r"""(?:x|http|cf|true|real|user|client|remote|visitor|customer|lead|sender|submitter|respondent|signup|login|connecting|
           origin|original|source|last|first|network|public|my|your)*
        (?:ip(?:v?[46])?(?:addr(?:ess)?)?|remoteaddr(?:ess)?|forwarded(?:for)?)""",
    re.VERBOSE,
)


def machine_address(name: str) -> str | None:
    """The plain name of a field that holds the address of a machine, None for any other. What stands in a consent, which is
    `consent.ip`, is none: it is part of its proof."""
    return _plain(name) if len(name) <= LONGEST_NAME else None


@lru_cache(maxsize=MOST_NAMES)
def _plain(name: str) -> str | None:
    plain = _SEPARATORS.sub("_", name.removeprefix("attributes.").casefold()).strip("_")
    return plain if _OF_MACHINES.fullmatch(plain.replace("_", "")) else None


def without_machines(given: Mapping[str, object], dropped: list[str]) -> Mapping[str, object]:
    """The same fields without addresses of machines, also in what is nested in them; the names of those are added to
    `dropped`. What has none is answered as it is."""
    if _OTHERS.issuperset(given) and _NESTING.isdisjoint(map(type, given.values())):
        return given  # as nearly always: a field's name comes again and again
    kept = _of_fields(given, dropped, 0)
    if len(_OTHERS) + len(kept) > MOST_NAMES:
        _OTHERS.clear()
    _OTHERS.update(name for name in kept if len(name) <= LONGEST_NAME)
    return kept


def _of_fields(given: Mapping[str, object], dropped: list[str], depth: int) -> dict[str, object]:
    kept: dict[str, object] = {}
    for name, value in given.items():
        if (plain := machine_address(name)) is None:
            kept[name] = _of_value(value, dropped, depth + 1)
        elif plain not in dropped:
            dropped.append(plain)
    return kept


def _of_value(value: object, dropped: list[str], depth: int) -> object:
    if depth > MAX_DEPTH:
        return value
    if type(value) is dict:
        return _of_fields(value, dropped, depth)
    if type(value) is list:
        return [_of_value(one, dropped, depth + 1) for one in value]
    return value
