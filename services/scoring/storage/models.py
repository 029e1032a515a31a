"""The registry of models, as training, people and the serving side read and write it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import Row

from services.scoring.domain.model import EVERY_UNIT
from services.scoring.domain.model.decisions import Decision, DecisionKind, is_held
from shared.kit.database import Transaction

ABOUT = (
    "version, outcome, business_unit, status, verdict, checksum, format_version, horizon_days, data_from, data_to, "
    "examples, positives, features, metrics, trained_at, trained_by"
)
"""Of a model everything that is not long."""

DOCUMENTS = ("features", "metrics", "profile")


async def add_model(tx: Transaction, model: Mapping[str, Any]) -> bool:
    """Keeps a model, as a challenger. False for one that is there already: the same data gave the same model."""
    values = {**model, **{name: orjson.dumps(model[name]).decode() for name in DOCUMENTS}, "now": tx.now}
    added = await tx.execute(
        """
        INSERT INTO scoring.models (version, outcome, business_unit, status, verdict, artefact, checksum, format_version,
            horizon_days, data_from, data_to, examples, positives, features, metrics, profile, trained_at, trained_by)
        VALUES (:version, :outcome, :business_unit, 'challenger', :verdict, :artefact, :checksum, :format_version,
            :horizon_days, :data_from, :data_to, :examples, :positives, CAST(:features AS jsonb), CAST(:metrics AS jsonb),
            CAST(:profile AS jsonb), :now, :trained_by)
        ON CONFLICT DO NOTHING
        """,
        values,
    )
    return bool(added.rowcount)


async def forget_challengers(tx: Transaction, older_than: timedelta) -> int:
    """Forgets models that never spoke, and trainings that are over, after so long. Models that spoke are kept for ever."""
    gone = await tx.execute(
        """
        DELETE FROM scoring.models model WHERE status = 'challenger' AND trained_at < :before
            AND NOT EXISTS (SELECT 1 FROM scoring.trainings last WHERE last.version = model.version)
            AND NOT EXISTS (
                SELECT 1 FROM scoring.model_activations one
                WHERE one.version = model.version OR one.replaced = model.version
            )
        """,
        {"before": tx.now - older_than},
    )
    await tx.execute(
        "DELETE FROM scoring.training_runs WHERE status IN ('finished', 'failed') AND finished_at < :before",
        {"before": tx.now - older_than},
    )
    return gone.rowcount


async def active_models(tx: Transaction) -> list[Row[Any]]:
    """Which models speak: few and short rows, to be asked for often."""
    return await tx.rows(
        """
        SELECT outcome, business_unit, version, checksum FROM scoring.models WHERE status = 'active'
        ORDER BY outcome, business_unit
        """
    )


async def active_model(tx: Transaction, outcome: str, business_unit: str) -> Row[Any] | None:
    """The model that speaks for a unit, with its artefact and profile: its own, or that for every unit."""
    rows = await tx.rows(
        f"""
        SELECT {ABOUT}, artefact, profile FROM scoring.models
        WHERE status = 'active' AND outcome = :outcome AND business_unit IN (:unit, :every)
        ORDER BY business_unit = :every LIMIT 1
        """,
        outcome=outcome,
        unit=business_unit,
        every=EVERY_UNIT,
    )
    return rows[0] if rows else None


async def model(tx: Transaction, version: str) -> Row[Any] | None:
    """One model, with its artefact and profile."""
    rows = await tx.rows(f"SELECT {ABOUT}, artefact, profile FROM scoring.models WHERE version = :v", v=version)
    return rows[0] if rows else None


async def models(tx: Transaction, limit: int = 100) -> list[Row[Any]]:
    """The latest models without their artefacts, those that speak first."""
    return await tx.rows(
        f"SELECT {ABOUT} FROM scoring.models ORDER BY status <> 'active', trained_at DESC, version LIMIT :most",
        most=limit,
    )


async def activations(tx: Transaction, version: str | None = None, limit: int = 100) -> list[Row[Any]]:
    """Who decided what, the last first; of one model, or of all."""
    return await tx.rows(
        """
        SELECT outcome, business_unit, kind, version, replaced, at, by, reason FROM scoring.model_activations
        WHERE CAST(:version AS text) IS NULL OR version = :version OR replaced = :version ORDER BY id DESC LIMIT :most
        """,
        version=version,
        most=limit,
    )


async def speaks(tx: Transaction, outcome: str, business_unit: str) -> str | None:
    """The version that a unit, or every unit, has of its own. Whoever goes on to change that is alone with it."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('leadflow-scoring-models'))")
    rows = await tx.rows(
        "SELECT version FROM scoring.models WHERE status = 'active' AND outcome = :outcome AND business_unit = :unit",
        outcome=outcome,
        unit=business_unit,
    )
    return rows[0].version if rows else None


async def let_speak(
    tx: Transaction,
    version: str | None,
    outcome: str,
    business_unit: str,
    *,
    by: str,
    reason: str,
    kind: DecisionKind = "activated",
) -> bool:
    """From here on this model speaks, or none. False where that was so already, and nothing kept trainings from deciding."""
    before = await speaks(tx, outcome, business_unit)
    if before == version and (version is None or not is_held(await decisions(tx, outcome, business_unit))):
        return False
    await tx.execute("UPDATE scoring.models SET status = 'retired' WHERE version = :version", {"version": before})
    await tx.execute("UPDATE scoring.models SET status = 'active' WHERE version = :version", {"version": version})
    await tx.execute(
        """
        INSERT INTO scoring.model_activations (outcome, business_unit, kind, version, replaced, at, by, reason)
        VALUES (:outcome, :unit, :kind, :version, :replaced, :now, :by, :reason)
        """,
        {
            "outcome": outcome,
            "unit": business_unit,
            "kind": kind,
            "version": version,
            "replaced": before,
            "now": tx.now,
            "by": by,
            "reason": reason,
        },
    )
    return True


async def decisions(tx: Transaction, outcome: str, business_unit: str) -> list[Decision]:
    """Every decision about a place, the first first."""
    rows = await tx.rows(
        """
        SELECT kind, version FROM scoring.model_activations
        WHERE outcome = :outcome AND business_unit = :unit ORDER BY id
        """,
        outcome=outcome,
        unit=business_unit,
    )
    return [Decision(row.kind, row.version) for row in rows]


async def note_training(
    tx: Transaction,
    outcome: str,
    business_unit: str,
    *,
    result: str,
    words: str,
    numbers: Mapping[str, Any],
    version: str | None = None,
) -> None:
    """Keeps what a training came to, in the place of the one before."""
    await tx.execute(
        """
        INSERT INTO scoring.trainings (outcome, business_unit, at, result, words, numbers, version)
        VALUES (:outcome, :unit, :now, :result, :words, CAST(:numbers AS jsonb), :version)
        ON CONFLICT (outcome, business_unit) DO UPDATE SET at = excluded.at, result = excluded.result,
            words = excluded.words, numbers = excluded.numbers, version = excluded.version
        """,
        {
            "outcome": outcome,
            "unit": business_unit,
            "now": tx.now,
            "result": result,
            "words": words,
            "numbers": orjson.dumps(numbers).decode(),
            "version": version,
        },
    )


async def trainings(tx: Transaction) -> list[Row[Any]]:
    """What the last training of each came to."""
    return await tx.rows(
        """
        SELECT outcome, business_unit, at, result, words, numbers, version FROM scoring.trainings
        ORDER BY outcome, business_unit
        """
    )
