"""Models as large as learned ones, for what the models' part of scoring costs: every feature of a lead, the pairs that a
training chooses at most. What they say means nothing."""

from __future__ import annotations

from itertools import combinations
from random import Random

import psycopg

from services.scoring.domain.model import (
    EVERY_UNIT,
    FORMAT_VERSION,
    AdditiveModel,
    Artefact,
    Pair,
    Table,
    checksum,
    write_artefact,
)
from services.scoring.domain.model.features import ALWAYS, ATTRIBUTE, COUNTS, DID, FIELDS_KNOWN, PRESENCES
from tests.load import mix

PAIRS = 48
CUTS = 24
LEVELS = 30


def a_model(seed: int, *, looks_at_own_numbers: bool) -> AdditiveModel:
    """Always the same one. Its levels are those of the mix, and others. To one that looks at the numbers that each lead has of
    its own no two look alike."""
    chance = Random(seed)

    def units(cells: int) -> tuple[int, ...]:
        return tuple(chance.randint(-9_000, 9_000) for _ in range(cells))

    met: dict[str, set[str]] = {}
    for number in range(60):
        for name, value in mix.lead(number).items():
            met.setdefault(name, set()).add(str(value).casefold())
    tables = []
    own = [ATTRIBUTE + name for name in mix.OWN_NUMBERS] if looks_at_own_numbers else []
    for name in (*ALWAYS, DID + "page_view", DID + "demo_request", DID + "email_click", *own):
        if name in COUNTS or name == FIELDS_KNOWN or name.startswith((DID, ATTRIBUTE)):
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


def activate(database_url: str, version: str, outcome: str, model: AdditiveModel) -> None:
    """Puts one into the registry as the model of every unit, in the place of the one before."""
    text = write_artefact(Artefact(model, outcome, 90))
    with psycopg.connect(database_url) as connection:
        connection.execute(b"UPDATE scoring.models SET status = 'retired' WHERE outcome = %s", (outcome,))
        connection.execute(
            b"""
            INSERT INTO scoring.models (version, outcome, business_unit, status, verdict, artefact, checksum,
                format_version, horizon_days, data_from, data_to, examples, positives, features, metrics, profile,
                trained_at, trained_by)
            VALUES (%s, %s, %s, 'active', 'for the bench', %s, %s, %s, 90, now(), now(), 0, 0, '[]', '{}', '{}', now(), 'bench')
            """,
            (version, outcome, EVERY_UNIT, text, checksum(text), FORMAT_VERSION),
        )
