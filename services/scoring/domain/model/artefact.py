"""A model as it is kept: one JSON document of numbers and names, which nothing has to be run to read. It says its format,
the version of that format and of what its features mean, and, kept beside it, its checksum."""

from __future__ import annotations

import hashlib
import json
import math
from itertools import pairwise
from typing import Any, NamedTuple

from services.scoring.domain.model.additive import AdditiveModel, Pair, Table
from services.scoring.domain.model.features import FEATURES_VERSION

FORMAT = "leadflow-additive-model"
FORMAT_VERSION = 1

OPPORTUNITY, CUSTOMER = "opportunity", "customer"
"""What a model can foretell of a lead."""

EVERY_UNIT = ""
"""Stands for all business units that have no model of their own."""

MOST_TABLES, MOST_CELLS, MOST_PAIRS = 500, 2_000, 500
LARGEST_UNITS = 10_000_000


class UnusableArtefact(Exception):
    """These bytes are no model that this version can use. The message says why, and holds nothing of what they say."""


class Artefact(NamedTuple):
    """A model with what it predicts."""

    model: AdditiveModel
    outcome: str
    horizon_days: int | None = None


def checksum(text: str) -> str:
    """What proves that an artefact is the one that was kept."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_artefact(artefact: Artefact) -> str:
    """The document. The same model gives the same bytes."""
    model = artefact.model
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "features_version": FEATURES_VERSION,
        "outcome": artefact.outcome,
        "horizon_days": artefact.horizon_days,
        "base": model.base,
        "placeholders": sorted(model.placeholders),
        "tables": [_written(table) for table in model.tables],
        "pairs": [
            {"of": [pair.first, pair.second], "units": [list(row) for row in pair.units]} for pair in model.pairs
        ],
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def read_artefact(text: str, expected_checksum: str | None = None) -> Artefact:
    """The model a document holds. Raises `UnusableArtefact` for one that was changed, is of another format or version,
    or does not fit together."""
    if expected_checksum is not None and checksum(text) != expected_checksum:
        raise UnusableArtefact("its checksum is another: it was changed after it was written")
    try:
        document = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise UnusableArtefact("it is no JSON document") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UnusableArtefact(f"it is no document of the format {FORMAT}")
    if document.get("format_version") != FORMAT_VERSION:
        raise UnusableArtefact(f"it is of another format version; this release reads version {FORMAT_VERSION}")
    if document.get("features_version") != FEATURES_VERSION:
        raise UnusableArtefact(
            f"it was taught another meaning of its features; this release has version {FEATURES_VERSION}"
        )
    try:
        return _read(document)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        raise UnusableArtefact("its tables do not fit together") from None


def read_kept(text: str, expected_checksum: str, outcome: str, horizon_days: int) -> Artefact:
    """The same of one in the registry, whose row says what it foretells. Raises `UnusableArtefact` also where it is a model
    of something else."""
    found = read_artefact(text, expected_checksum)
    if (found.outcome, found.horizon_days) != (outcome, horizon_days):
        raise UnusableArtefact("it foretells something else than the registry says of it")
    return found


def _read(document: dict[str, Any]) -> Artefact:
    tables = tuple(_table(one) for one in _bounded(document["tables"], MOST_TABLES))
    if len({table.name for table in tables}) != len(tables):
        raise ValueError
    pairs = tuple(_pair(one, tables) for one in _bounded(document["pairs"], MOST_PAIRS))
    placeholders = frozenset(_text(one) for one in document["placeholders"])
    horizon = document["horizon_days"]
    model = AdditiveModel(_units(document["base"]), tables, pairs, placeholders)
    return Artefact(model, _text(document["outcome"]), None if horizon is None else _whole(horizon))


def _written(table: Table) -> dict[str, Any]:
    kind: dict[str, Any] = {"edges": list(table.edges)} if table.levels is None else {"levels": dict(table.levels)}
    return {"name": table.name, "units": list(table.units), **kind}


def _table(one: dict[str, Any]) -> Table:
    units = tuple(_units(value) for value in _bounded(one["units"], MOST_CELLS))
    if "levels" not in one:
        edges = tuple(float(edge) for edge in one["edges"])
        ordered = all(low < high for low, high in pairwise(edges))
        if not ordered or not all(map(math.isfinite, edges)) or len(units) != len(edges) + 2:
            raise ValueError
        return Table(_text(one["name"]), units, edges)
    levels = {_text(level): _whole(cell) for level, cell in one["levels"].items()}
    if len(units) < 2 or not all(0 <= cell < len(units) - 1 for cell in levels.values()):
        raise ValueError
    return Table(_text(one["name"]), units, levels=levels)


def _pair(one: dict[str, Any], tables: tuple[Table, ...]) -> Pair:
    first, second = (_whole(index) for index in one["of"])
    rows = tuple(tuple(_units(value) for value in row) for row in one["units"])
    fits = 0 <= first < second < len(tables) and len(rows) == len(tables[first].units)
    if not fits or any(len(row) != len(tables[second].units) for row in rows):
        raise ValueError
    return Pair(first, second, rows)


def _bounded(values: list[Any], most: int) -> list[Any]:
    if not isinstance(values, list) or len(values) > most:
        raise ValueError
    return values


def _units(value: Any) -> int:
    number = _whole(value)
    if abs(number) > LARGEST_UNITS:
        raise ValueError
    return number


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def _no_number(word: str) -> float:
    raise ValueError(word)
