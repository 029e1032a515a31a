"""The worklist and everything that giving out leads is decided on: loads, tracks, absences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from services.pipeline.domain.ledger import Lead
from services.pipeline.domain.routing import Absence, Office, Router, Track
from services.pipeline.domain.worklist import Held
from shared.kit.database import Database, Transaction

KEEP = """
    INSERT INTO pipeline.worklist (lead_id, business_unit, owner, score, since)
    SELECT lead_id, business_unit, owner, score, since
    FROM json_to_recordset(CAST(:rows AS json)) AS r(lead_id uuid, business_unit text, owner text, score integer,
        since timestamptz)
    ON CONFLICT (lead_id) DO UPDATE SET (owner, score, since) = ROW (excluded.owner, excluded.score, excluded.since)"""

DROP = """
    DELETE FROM pipeline.worklist w USING json_to_recordset(CAST(:rows AS json)) AS r(lead_id uuid)
    WHERE w.lead_id = r.lead_id"""

COUNT = """
    INSERT INTO pipeline.owner_loads AS o (business_unit, owner, leads)
    SELECT business_unit, owner, more
    FROM json_to_recordset(CAST(:rows AS json)) AS r(business_unit text, owner text, more integer)
    ORDER BY business_unit, owner
    ON CONFLICT (business_unit, owner) DO UPDATE SET leads = o.leads + excluded.leads"""


async def keep(transaction: Transaction, changed: Iterable[tuple[Lead, Held | None]]) -> None:
    """Brings the worklist up to leads that changed, given with what it is to have of them, and counts that for their owners."""
    kept: list[dict[str, Any]] = []
    dropped: list[dict[str, Any]] = []
    loads: Counter[tuple[str, str]] = Counter()
    for lead, after in changed:
        before = lead.held
        if before == after:
            continue
        if after is not None:
            kept.append({"lead_id": lead.lead_id, "business_unit": lead.business_unit, **after._asdict()})
        else:
            dropped.append({"lead_id": lead.lead_id})
        for one, more in ((before, -1), (after, 1)):
            if one is not None and one.owner is not None:
                loads[lead.business_unit, one.owner] += more
        lead.held = after
    await transaction.set_wise(KEEP, kept)
    await transaction.set_wise(DROP, dropped)
    counted = [{"business_unit": unit, "owner": owner, "more": more} for (unit, owner), more in loads.items() if more]
    await transaction.set_wise(COUNT, counted)


async def open_office(transaction: Transaction, business_unit: str, router: Router) -> Office:
    """A unit's owners as they are now, locked: until this transaction ends nobody else gives out leads of the unit."""
    await transaction.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(:unit, 2))", {"unit": f"routing of {business_unit}"}
    )
    tracks = await transaction.rows(
        "SELECT team, last, places FROM pipeline.team_tracks WHERE business_unit = :unit AND team = ANY(:teams)",
        unit=business_unit,
        teams=list(router.teams),
    )
    loads = await transaction.rows(
        "SELECT owner, leads FROM pipeline.owner_loads WHERE business_unit = :unit AND owner = ANY(:owners)",
        unit=business_unit,
        owners=list(router.owners),
    )
    absences = await absences_of(transaction, business_unit, transaction.now)
    return Office(
        {row.owner: row.leads for row in loads},
        {row.team: Track(row.last, dict(row.places)) for row in tracks},
        absences,
    )


async def absences_of(source: Database | Transaction, business_unit: str, after: datetime) -> Collection[Absence]:
    """Who of a unit is or will be away."""
    rows = await source.rows(
        """
        SELECT owner, starts_at, ends_at FROM pipeline.absences
        WHERE business_unit = :unit AND ends_at > :after ORDER BY owner, starts_at""",
        unit=business_unit,
        after=after,
    )
    return [Absence(row.owner, row.starts_at, row.ends_at) for row in rows]


async def close_office(transaction: Transaction, business_unit: str, office: Office) -> None:
    """Writes down whose turn it is next."""
    await transaction.set_wise(
        """
        INSERT INTO pipeline.team_tracks (business_unit, team, last, places)
        SELECT :unit, team, last, places FROM json_to_recordset(CAST(:rows AS json)) AS r(team text, last bigint, places jsonb)
        ON CONFLICT (business_unit, team) DO UPDATE SET (last, places) = ROW (excluded.last, excluded.places)""",
        [
            {"team": team, "last": track.last, "places": track.places}
            for team, track in office.tracks.items()
            if track.moved
        ],
        unit=business_unit,
    )


COUNTED_AT_MOST = 10_000


async def waiting(source: Database | Transaction) -> list[tuple[str, int, datetime]]:
    """How many leads of each unit wait for an owner, counted so far, and since when the first does. Units are found along the
    index, so that it costs the same however many leads wait."""
    rows = await source.rows(
        """
        WITH RECURSIVE unit AS (
            (SELECT business_unit AS name FROM pipeline.worklist WHERE owner IS NULL ORDER BY business_unit LIMIT 1)
            UNION ALL
            SELECT (SELECT business_unit FROM pipeline.worklist w WHERE owner IS NULL AND w.business_unit > unit.name
                ORDER BY business_unit LIMIT 1) FROM unit WHERE unit.name IS NOT NULL
        )
        SELECT name,
            (SELECT count(*) FROM (SELECT FROM pipeline.worklist w WHERE owner IS NULL AND w.business_unit = name
                LIMIT :most) counted) AS leads,
            (SELECT since FROM pipeline.worklist w WHERE owner IS NULL AND w.business_unit = name ORDER BY since LIMIT 1) AS since
        FROM unit WHERE name IS NOT NULL""",
        most=COUNTED_AT_MOST,
    )
    return [(row.name, row.leads, row.since) for row in rows if row.since is not None]


async def loads_of(source: Database | Transaction, business_unit: str, owners: Collection[str]) -> dict[str, int]:
    """How many open leads each of these has."""
    rows = await source.rows(
        "SELECT owner, leads FROM pipeline.owner_loads WHERE business_unit = :unit AND owner = ANY(:owners)",
        unit=business_unit,
        owners=list(owners),
    )
    return {row.owner: row.leads for row in rows}


async def add_absence(
    transaction: Transaction, absence_id: UUID, business_unit: str, absence: Absence
) -> tuple[Any, bool]:
    """Notes that somebody is away, once for each id. The absence as it is kept, and whether it is new."""
    fresh = await transaction.rows(
        """
        INSERT INTO pipeline.absences (absence_id, business_unit, owner, starts_at, ends_at, recorded_at)
        VALUES (:id, :unit, :owner, :starts_at, :ends_at, :now) ON CONFLICT DO NOTHING RETURNING absence_id""",
        id=absence_id,
        unit=business_unit,
        now=transaction.now,
        **absence._asdict(),
    )
    (row,) = await transaction.rows("SELECT * FROM pipeline.absences WHERE absence_id = :id", id=absence_id)
    return row, bool(fresh)


async def end_absence(transaction: Transaction, absence_id: UUID) -> Any | None:
    """Somebody is back, from now on; one who was never away is not away."""
    rows = await transaction.rows(
        """
        UPDATE pipeline.absences SET ends_at = greatest(starts_at, least(ends_at, :now))
        WHERE absence_id = :id RETURNING *""",
        id=absence_id,
        now=transaction.now,
    )
    return rows[0] if rows else None


async def listed_absences(source: Database | Transaction, business_unit: str, after: datetime) -> list[Any]:
    """Who of a unit is or will be away, as it is kept."""
    return await source.rows(
        """
        SELECT * FROM pipeline.absences WHERE business_unit = :unit AND ends_at > :after ORDER BY starts_at, absence_id""",
        unit=business_unit,
        after=after,
    )
