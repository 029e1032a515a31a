"""How likely a deal in each stage is won, as the policies have had it: noted when a policy first runs here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from shared.contracts.policy import Policy
from shared.kit.database import Reader, Transaction, as_json

LOCK = "SELECT pg_advisory_xact_lock(hashtext('leadflow-metrics-chances'))"
ANY_OTHER = ""
"""Stands for the units that a policy does not name."""


class Chances(NamedTuple):
    """What held at a moment, by (unit, pipeline, stage), and by which version of the policy."""

    policy_version: str
    of_stages: dict[tuple[str, str, str], float]

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of `CHANCES` and `CHANCE_OF`."""
        names = ("of_unit", "of_pipeline", "of_stage", "chance")
        rows = [dict(zip(names, (*place, chance), strict=True)) for place, chance in self.of_stages.items()]
        units = sorted({unit for unit, *_ in self.of_stages} - {ANY_OTHER})
        return {"chances": as_json(rows), "units_with_chances": units}

    def of(self, place: tuple[str, str | None, str | None] | None) -> float:
        """The chance of a unit's pipeline's stage; nothing where that is not known."""
        if place is None or place[2] is None:
            return 0.0
        unit, pipeline, stage = place[0], place[1], place[2]
        own = unit if any(known == unit for known, *_ in self.of_stages) else ANY_OTHER
        return self.of_stages.get((own, pipeline or "default", stage), 0.0)


CHANCES = """
    chances AS MATERIALIZED (
        SELECT * FROM json_to_recordset(CAST(:chances AS json)) AS r(of_unit text, of_pipeline text, of_stage text,
            chance double precision)
    )"""
CHANCE_OF = """
    of_unit = CASE WHEN business_unit = ANY(:units_with_chances) THEN business_unit ELSE '' END
    AND of_pipeline = coalesce(pipeline, 'default') AND of_stage = stage"""


def chances_of(policy: Policy) -> Chances:
    """What a policy says."""
    units = {ANY_OTHER: policy.defaults, **policy.business_units}
    return Chances(
        policy.version,
        {
            (unit, pipeline, stage.name): stage.probability
            for unit, own in units.items()
            for pipeline, stages in own.pipelines.items()
            for stage in stages
        },
    )


def _of(rows: Sequence[Any]) -> Chances:
    return Chances(rows[0].policy_version, {(row.business_unit, row.pipeline, row.stage): row.chance for row in rows})


async def note(tx: Transaction, policy: Policy) -> bool:
    """Keeps what a policy says from now on, unless that is what holds already; whether it was new."""
    await tx.execute(LOCK)
    now = chances_of(policy)
    known = await tx.rows(
        "SELECT * FROM metrics.stage_chances WHERE since = (SELECT max(since) FROM metrics.stage_chances)"
    )
    if known and _of(known) == now:
        return False
    await tx.set_wise(
        """
        INSERT INTO metrics.stage_chances (since, business_unit, pipeline, stage, policy_version, chance)
        SELECT :now, unit, pipeline, stage, :version, chance FROM json_to_recordset(CAST(:rows AS json))
            AS r(unit text, pipeline text, stage text, chance double precision)""",
        [
            {"unit": unit, "pipeline": pipeline, "stage": stage, "chance": chance}
            for (unit, pipeline, stage), chance in now.of_stages.items()
        ],
        now=tx.now,
        version=policy.version,
    )
    return True


async def at(database: Reader, policy: Policy, as_of: datetime) -> Chances:
    """What held at a moment; before the first policy known of, what that one said; what runs now, while none was noted."""
    rows = await database.rows(
        """
        SELECT * FROM metrics.stage_chances WHERE since = coalesce(
            (SELECT max(since) FROM metrics.stage_chances WHERE since <= :as_of),
            (SELECT min(since) FROM metrics.stage_chances))""",
        as_of=as_of,
    )
    return _of(rows) if rows else chances_of(policy)
