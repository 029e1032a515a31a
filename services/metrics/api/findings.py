"""What changed: HTTP in, HTTP out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from services.metrics.access import guard
from services.metrics.api.noticed import word_shown
from services.metrics.domain.findings import FALSE_SHARE, Finding, Kind
from services.metrics.domain.noticing import place_id, severity
from services.metrics.finding import Looking, shown
from services.metrics.moments import gone
from services.metrics.noticing import midnight
from services.metrics.storage import noticed as storage
from shared.contracts.envelope import Moment
from shared.contracts.policy import Policy
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.problems import JSONAnswer


def router(database: Database, policy: Policy, clock: Clock) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix="/v1", dependencies=[Depends(guard)])
    looking = Looking(database, policy)

    @routes.get("/findings", tags=["kpis"], summary="What changed that is no chance and matters")
    async def findings(
        as_of: Annotated[
            Moment | None, Query(description="As of this moment; the last midnight UTC when left out.")
        ] = None,
        business_unit: Annotated[list[str] | None, Query(description="Only this unit; may be repeated.")] = None,
        kind: Annotated[list[Kind] | None, Query(description="Only this kind; may be repeated.")] = None,
    ) -> JSONAnswer:
        """Stages in which things stay longer or shorter, or from which another share is lost; sudden rises and falls; targets off their
        pace. The surest first. The same moment and facts give the same findings."""
        now = clock.now()
        moment = gone("as_of", as_of.astimezone(UTC), now) if as_of else midnight(now)
        looked = await looking.look(moment, tuple(business_unit or ()))
        places = [place_id(one) for one in looked.findings]
        known = await storage.known(database, moment, places=places, limit=len(places))
        noticed = {one.place_id: one for one in known}
        return JSONAnswer(
            {
                "as_of": moment,
                "tests": looked.tests,
                "false_share": FALSE_SHARE,
                "not_tested": looked.left_out,
                "findings": [
                    _told(one, moment, noticed) for one in looked.findings if not kind or one.place.kind in kind
                ],
            }
        )

    return routes


def _told(finding: Finding, as_of: datetime, noticed: Mapping[UUID, storage.Noticed]) -> dict[str, Any]:
    known = noticed.get(place_id(finding))
    return {
        **shown(finding, as_of),
        "severity": severity(finding),
        "noticed": None
        if known is None
        else {"id": known.noticed_id, "since": known.since, "state": known.state, **word_shown(known.word)},
    }
