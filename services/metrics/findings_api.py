"""What changed: HTTP in, HTTP out."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from services.metrics.domain.findings import FALSE_SHARE, METHODS, Finding, Kind
from services.metrics.finding import Looking
from shared.contracts.envelope import Moment
from shared.contracts.policy import Policy
from shared.kit.auth import require_token
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.problems import JSONAnswer


def router(database: Database, policy: Policy, clock: Clock) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix="/v1", dependencies=[Depends(require_token)])
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
        moment = as_of or _midnight(clock.now())
        looked = await looking.look(moment, tuple(business_unit or ()))
        return JSONAnswer(
            {
                "as_of": moment,
                "tests": looked.tests,
                "false_share": FALSE_SHARE,
                "not_tested": looked.left_out,
                "findings": [shown(one, moment) for one in looked.findings if not kind or one.place.kind in kind],
            }
        )

    return routes


def _midnight(now: datetime) -> datetime:
    return datetime.combine(now.date(), time(), now.tzinfo)


def shown(finding: Finding, as_of: datetime) -> dict[str, Any]:
    """A finding with the numbers behind it and where they are asked for."""
    place, found = finding.place, finding.found

    def side(window: tuple[Any, Any], value: float | None, n: int) -> dict[str, Any]:
        return {"from": window[0], "to": window[1], "value": value, "n": n, "query": place.query(window, as_of)}

    return {
        "id": place.finding_id,
        "kind": place.kind,
        "kpi": place.kpi,
        "business_unit": place.business_unit or None,
        "cut": place.cut,
        "direction": finding.direction,
        "before": side(place.before, found.before, found.n_before),
        "after": side(place.after, found.after, found.n_after),
        "effect": found.effect,
        "p": None if finding.q is None else found.p,
        "q": finding.q,
        "method": METHODS[place.kind],
    }
