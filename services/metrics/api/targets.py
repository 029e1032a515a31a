"""Targets: HTTP in, HTTP out."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Response
from pydantic import BaseModel, ValidationError

from services.metrics.access import Access, Reaching, guard
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.targets import Aim, Target, shown
from services.metrics.storage import answering
from services.metrics.storage import targets as storage
from services.metrics.storage.attaining import Attaining
from services.metrics.target_questions import TargetSaid, aim_of
from shared.contracts.envelope import EARLIEST, LATEST, Name
from shared.contracts.policy import Policy
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.errors import Rejected

AT_ONCE = 5_000
By = Annotated[Name, Query(description="Who says so; put on record.")]


class TargetsKept(BaseModel):
    """How many targets came, and how many of them were new or said something else."""

    rows: int
    changed: int


def router(database: Database, policy: Policy, clock: Clock) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1/targets", tags=["targets"], dependencies=[Depends(guard)])

    @routes.put("", summary="Say what a number is wanted to be")
    async def tell(said: TargetSaid, access: Reaching, by: By = "api") -> dict[str, Any]:
        """Of the same number, cut and days the last word holds, and every earlier one is kept. The same again changes nothing."""
        aim, starts_at = aim_of(said, policy)
        access.check([aim.business_unit])
        await database.run(lambda tx: storage.keep(tx, [(aim, starts_at)], by))
        return await _one(aim.target_id, access)

    @routes.post("/import", summary="Targets from a CSV file, all rows or none")
    async def take(
        content: Annotated[bytes, Body(media_type="text/csv")], access: Reaching, by: By = "import"
    ) -> TargetsKept:
        """The first line names the columns: those of a target, and for its cut `owner`, `team`, `channel` and so on."""
        aims = await asyncio.to_thread(aims_of, content, policy)
        access.check({aim.business_unit for aim, _ in aims})
        changed = await database.run(lambda tx: storage.keep(tx, aims, by))
        return TargetsKept(rows=len(aims), changed=changed)

    @routes.get("", summary="Targets that hold, page by page")
    async def listing(
        kpi: Annotated[str | None, Query()] = None,
        business_unit: Annotated[str | None, Query()] = None,
        on: Annotated[date | None, Query(description="Those that have this day among theirs.")] = None,
        beyond: Annotated[UUID | None, Query(description="The `next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> dict[str, Any]:
        units = None if business_unit is None else [business_unit]
        found = await storage.found(database, kpi=kpi, units=units, on=_sane(on), beyond=beyond, limit=limit)
        return {
            "items": [_told(target) for target in found],
            "next": found[-1].target_id if len(found) == limit else None,
        }

    @routes.get("/standing", summary="Where the targets of today are, with their pace")
    async def standing(
        business_unit: Annotated[str | None, Query()] = None,
        on: Annotated[date | None, Query(description="Targets of this day instead; their numbers are of now.")] = None,
    ) -> dict[str, Any]:
        now = clock.now()
        units = None if business_unit is None else [business_unit]
        attaining, day = Attaining(database, policy, await answering.progress(database)), _sane(on)
        every = await (attaining.of_today(now, units) if day is None else storage.found(database, units=units, on=day))
        found = await attaining.standings(every, now)
        return {
            "as_of": now,
            "items": [
                {
                    **shown(one),
                    "actual": one.actual,
                    "attainment": one.attainment,
                    "pace": one.pace,
                    "on_pace": one.on_pace,
                }
                for one in found
            ],
        }

    @routes.get("/{target_id}", summary="A target, with everything that was ever said about it")
    async def one(target_id: UUID, access: Reaching) -> dict[str, Any]:
        return await _one(target_id, access)

    @routes.delete("/{target_id}", status_code=204, summary="Say that there is no such target any more")
    async def withdraw(target_id: UUID, access: Reaching, by: By = "api") -> Response:
        """What was said is kept."""
        await _one(target_id, access)
        if not await database.run(lambda tx: storage.withdraw(tx, target_id, by)):
            raise _unknown()
        return Response(status_code=204)

    async def _one(target_id: UUID, access: Access) -> dict[str, Any]:
        history = await storage.history(database, target_id)
        if not history or not access.sees(history[-1].business_unit):
            raise _unknown()
        found = await storage.found(database, target_id=target_id)
        said = [_change(row) for row in history]
        return {**(_told(found[0]) if found else {"target_id": target_id, "withdrawn": True}), "history": said}

    return routes


def aims_of(content: bytes, policy: Policy) -> list[tuple[Aim, datetime]]:
    """The targets of a file. Raises `Rejected` naming the first line that is none."""
    return [aim_of_row(row, line, policy) for line, row in rows_of(content)]


def rows_of(content: bytes) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file in UTF-8 with the line each begins on; empty cells are left out. Raises `Rejected`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unreadable("It is not UTF-8 text.", "Save it as CSV in UTF-8.") from None
    reader = csv.DictReader(io.StringIO(text), strict=True)
    known = {*TargetSaid.model_fields, "from", "to", *DIMENSIONS} - {"cut", "first_day", "after_day"}
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        columns = reader.fieldnames or []
        if unknown := [name for name in columns if name not in known]:
            raise _unreadable(f"There is no column {unknown[0][:100]!r}.", f"Use {', '.join(sorted(known))}.")
        for row in reader:
            if None in row:
                raise _unreadable(f"Line {reader.line_num} has more cells than there are columns.", "Mend the line.")
            rows.append(
                (reader.line_num, {name: value.strip() for name, value in row.items() if value and value.strip()})
            )
    except csv.Error as error:
        raise _unreadable(f"Line {reader.line_num} is no CSV: {error}.", "Mend the line.") from None
    if not 1 <= len(rows) <= AT_ONCE:
        raise _unreadable(f"It has {len(rows)} rows.", f"Send 1 to {AT_ONCE} below a line that names the columns.")
    return rows


def aim_of_row(row: dict[str, str], line: int, policy: Policy) -> tuple[Aim, datetime]:
    """One row as a target. Raises `Rejected` naming the line."""
    cut = {name: row[name] for name in DIMENSIONS if name in row}
    fields = {name: value for name, value in row.items() if name not in DIMENSIONS}
    try:
        return aim_of(TargetSaid.model_validate({**fields, "cut": cut}), policy)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or None
        raise Rejected(
            f"Line {line}: {first['msg']}.", code="invalid-target", field=where, fix="Mend the line and send all again."
        ) from None
    except Rejected as refused:
        raise Rejected(
            f"Line {line}: {refused.detail}", code=refused.code, field=refused.field, fix=refused.fix
        ) from None


def _told(target: Target) -> dict[str, Any]:
    aim = target.aim
    names = ("kpi", "business_unit", "cut", "reading", "baseline", "direction", "currency", "note")
    return {
        "target_id": target.target_id,
        **{name: getattr(aim, name) for name in names},
        "from": aim.first_day,
        "to": aim.after_day,
        "value": str(aim.value),
        "baseline_value": None if aim.baseline_value is None else str(aim.baseline_value),
        "set_by": target.set_by,
        "set_at": target.set_at,
        "changes": target.moved,
        "changes_since_start": target.moved_since_start,
    }


def _change(row: Any) -> dict[str, Any]:
    names = ("version", "reading", "baseline", "direction", "currency", "note", "set_by", "set_at", "withdrawn")
    return {
        **{name: getattr(row, name) for name in names},
        "value": str(row.value),
        "baseline_value": None if row.baseline_value is None else str(row.baseline_value),
        "after_start": row.version > 1 and row.set_at > row.starts_at,
    }


def _sane(on: date | None) -> date | None:
    if on is not None and not EARLIEST.date() <= on < LATEST.date():
        raise Rejected("There is no such day here.", code="invalid-parameter", field="on", fix="Write 2026-03-01.")
    return on


def _unreadable(detail: str, fix: str) -> Rejected:
    return Rejected(detail, code="unreadable-targets", fix=fix)


def _unknown() -> Rejected:
    return Rejected(
        "There is no target of this id.", status=404, code="unknown-target", fix="GET /v1/targets lists them."
    )
