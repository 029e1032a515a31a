"""A model as large as a learned one, for what the model's part of scoring costs: every feature of a lead, the pairs that a
training chooses at most. What it says means nothing."""

from __future__ import annotations

import sys
from itertools import combinations
from random import Random

import psycopg

from services.scoring.domain.model import (
    EVERY_UNIT,
    FORMAT_VERSION,
    OPPORTUNITY,
    AdditiveModel,
    Artefact,
    Pair,
    Table,
    checksum,
    write_artefact,
)
from services.scoring.domain.model.features import ALWAYS, COUNTS, DID, FIELDS_KNOWN, PRESENCES
from tests.load import mix

VERSION = "bench-1"
PAIRS = 48
CUTS = 24
LEVELS = 30


def a_model() -> AdditiveModel:
    """Always the same one. Its levels are those of the mix, and others."""
    chance = Random(7)

    def units(cells: int) -> tuple[int, ...]:
        return tuple(chance.randint(-9_000, 9_000) for _ in range(cells))

    met: dict[str, set[str]] = {}
    for number in range(60):
        for name, value in mix.lead(number).items():
            met.setdefault(name, set()).add(str(value).casefold())
    tables = []
    for name in (*ALWAYS, DID + "page_view", DID + "demo_request", DID + "email_click"):
        if name in COUNTS or name == FIELDS_KNOWN or name.startswith(DID):
            tables.append(Table(name, units(CUTS + 2), tuple(place + 0.5 for place in range(CUTS))))
            continue
        levels = ["false", "true"] if name in PRESENCES else sorted(met.get(name, ()))
        levels += [f"another {place}" for place in range(LEVELS - len(levels))]
        tables.append(Table(name, units(LEVELS + 2), levels={level: cell for cell, level in enumerate(levels)}))
    chosen = chance.sample(list(combinations(range(len(tables)), 2)), PAIRS)
    pairs = [
        Pair(one, other, tuple(units(len(tables[other].units)) for _ in tables[one].units))
        for one, other in sorted(chosen)
    ]
    return AdditiveModel(-20_000, tuple(tables), tuple(pairs))


def activate(database_url: str) -> None:
    """Puts it into the registry as the model of every unit."""
    text = write_artefact(Artefact(a_model(), OPPORTUNITY, 90))
    with psycopg.connect(database_url) as connection:
        connection.execute(
            b"""
            INSERT INTO scoring.models (version, outcome, business_unit, status, verdict, artefact, checksum,
                format_version, horizon_days, data_from, data_to, examples, positives, features, metrics, profile,
                trained_at, trained_by)
            VALUES (%s, %s, %s, 'active', 'for the bench', %s, %s, %s, 90, now(), now(), 0, 0, '[]', '{}', '{}', now(), 'bench')
            """,
            (VERSION, OPPORTUNITY, EVERY_UNIT, text, checksum(text), FORMAT_VERSION),
        )


if __name__ == "__main__":
    activate(sys.argv[1])
