"""How audits ended: told by whoever runs them, shown to monitoring and to people."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from services.metrics.access import guard
from services.metrics.storage import audits as storage
from shared.contracts.envelope import Moment
from shared.kit.database import Database

Check = Literal["log", "pipeline", "entries", "sums", "sketches", "scores"]
"""What an audit compares: the log with the books, pipeline's rows with the log, and what metrics and scoring made of their own."""


class Outcome(BaseModel):
    """How much was looked at, and how much of that differs."""

    checked: int = Field(ge=0)
    different: int = Field(ge=0)


class Audit(BaseModel):
    """One audit that came to its end. Its id is whoever's who ran it: said again, it is the same."""

    id: UUID
    began: Moment | None = Field(None, description="When it fixed where the log ended: later events it has not seen.")
    checks: dict[Check, Outcome]


class FinishedAudit(Audit):
    """The same with when that was."""

    finished_at: datetime


def router(database: Database) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1/audits", tags=["audit"], dependencies=[Depends(guard)])

    @routes.post("", status_code=204, summary="An audit has finished: how it ended")
    async def finished(audit: Audit) -> None:
        """Monitoring shows the last one as `leadflow_audit_different`."""
        checks: dict[str, tuple[int, int]] = {
            check: (one.checked, one.different) for check, one in audit.checks.items()
        }
        await database.run(lambda tx: storage.finished(tx, audit.id, checks, audit.began))

    @routes.get("", summary="How the last audits ended, the newest first")
    async def latest() -> list[FinishedAudit]:
        found: dict[UUID, FinishedAudit] = {}
        for row in await storage.latest(database):
            known = found.setdefault(
                row.audit_id, FinishedAudit(id=row.audit_id, began=row.began_at, checks={}, finished_at=row.finished_at)
            )
            known.checks[row.check] = Outcome(checked=row.checked, different=row.different)
        return list(found.values())

    return routes
