"""The one door of the API: who asks, whether they may, and whose business it is. Every route is behind it, also one that says
nothing: that is for operators alone, and where it is about no id and does not ask for the reach, for those of all units."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeVar

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant

from services.pipeline.asking import no_such_lead, no_such_opportunity, no_such_task
from services.pipeline.callers import Callers
from services.pipeline.domain.access import DEPLOYMENT, FOLLOWERS, Caller, Reach, Role
from services.pipeline.instruments import PipelineInstruments
from services.pipeline.storage import places
from services.pipeline.webhooks.endpoints import no_such_endpoint
from shared.kit.auth import Bearer, bearer_of, is_same, require_privacy_token
from shared.kit.database import Database
from shared.kit.errors import Rejected
from shared.kit.logs import log

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

READ: tuple[Role, ...] = ("agent", "manager", "operator", "integrator")
"""Looking at what a unit has."""
WORK: tuple[Role, ...] = ("agent", "manager", "operator")
"""Working on leads, tasks and opportunities."""
MANAGE: tuple[Role, ...] = ("manager", "operator")
"""Deciding for others: who is away, who is one person, what is done to many."""
FOLLOW = FOLLOWERS
"""Taking along what happens: exports, webhooks."""
OPERATE: tuple[Role, ...] = ("operator",)
"""Everything else."""


class Rule(NamedTuple):
    """Who may use a route. `of_no_unit` says that it has nothing of any unit, so that it is not asked whose it is."""

    roles: tuple[Role, ...] = OPERATE
    of_no_unit: bool = False


def allowed(roles: Collection[Role], *, of_no_unit: bool = False) -> Callable[[Endpoint], Endpoint]:
    """Declares who may use a route. Stands between the router's decorator and the function."""

    def declare(endpoint: Endpoint) -> Endpoint:
        endpoint.rule = Rule(tuple(roles), of_no_unit)  # type: ignore[attr-defined]
        return endpoint

    return declare


def rule_of(endpoint: Any) -> Rule | None:
    """What a route declares."""
    rule: Rule | None = getattr(endpoint, "rule", None)
    return rule


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks, and what they reach on this route."""

    caller: Caller
    reach: Reach


@dataclass(frozen=True, slots=True)
class Door:
    """What the guard works with."""

    callers: Callers
    database: Database
    instruments: PipelineInstruments


async def admit(request: Request) -> None:
    """Lets somebody send a body, of whom only that is known that they are somebody: before the route is known."""
    if is_same(bearer_of(request), request.app.state.privacy_token):
        return
    door: Door = request.app.state.door
    try:
        request.state.caller = await door.callers.of(bearer_of(request))
    except Rejected as error:
        door.instruments.denied.labels(error.code).inc()
        raise


async def guard(request: Request, _bearer: Bearer = None) -> None:
    """Lets a request in, or refuses it: 401 for nobody, 403 for a role that may not, 404 for what another unit has."""
    door: Door = request.app.state.door
    try:
        caller: Caller = getattr(request.state, "caller", None) or await door.callers.of(bearer_of(request))
        request.state.access = await _admitted(door, request, caller)
        _check_versions(request)
    except Rejected as error:
        door.instruments.denied.labels(error.code).inc()
        raise


async def private_guard(request: Request, _bearer: Bearer = None) -> None:
    """What concerns people as such: the privacy token alone where there is one, else an operator of all units."""
    if not request.app.state.privacy_token:
        await guard(request)
        return
    try:
        await require_privacy_token(request)
    except Rejected as error:
        request.app.state.door.instruments.denied.labels(error.code).inc()
        raise
    request.state.access = Access(DEPLOYMENT, Reach())


def access_of(request: Request) -> Access:
    """Who was let in, and how far."""
    access: Access = request.state.access
    return access


async def reach_of(request: Request) -> Reach:
    """What a request may touch. A route that asks for it is trusted to keep to it: a list, in its SQL."""
    return access_of(request).reach


Reaching = Annotated[Reach, Depends(reach_of)]


def is_kept_to_units(route: Any) -> bool:
    """Whether a route has an id in its path that says whose it is, or asks for the reach itself."""
    return any(name in places.KNOWN for name in route.param_convertors) or _asks(route.dependant)


def _asks(dependant: Dependant) -> bool:
    return dependant.call is reach_of or any(map(_asks, dependant.dependencies))


async def _admitted(door: Door, request: Request, caller: Caller) -> Access:
    route = request.scope["route"]
    rule = rule_of(request.scope["endpoint"]) or Rule()
    reach = caller.reach(rule.roles)
    if reach is None:
        log().info("access_denied", reason="role", credentials=caller.name, route=route.path_format)
        raise _forbidden(f"This is for the roles {', '.join(rule.roles)}.", "Use credentials of one of these roles.")
    if rule.of_no_unit or reach.all is None:
        return Access(caller, reach)
    if not is_kept_to_units(route):
        log().info("access_denied", reason="units", credentials=caller.name, route=route.path_format)
        raise _forbidden("This concerns all business units.", "Use credentials that reach all of them.")
    for name, value in request.path_params.items():
        if name in places.KNOWN and not any(map(reach.holds, await places.units_of(door.database, name, value))):
            log().info(
                "access_denied", reason="unknown or of another unit", credentials=caller.name, route=route.path_format
            )
            raise _UNKNOWN[name]()
    return Access(caller, reach)


def _check_versions(request: Request) -> None:
    """Nobody shall think that a version was compared which was not."""
    if request.method != "GET" and "if-match" in request.headers and not _compares(request.scope["route"].dependant):
        raise Rejected(
            "This has no version that If-Match could be compared with.",
            code="no-version",
            field="If-Match",
            fix="Leave If-Match out; commands on leads, opportunities, orders, tasks and webhooks compare it.",
        )


def _compares(dependant: Dependant) -> bool:
    names = {field.name for field in dependant.header_params}
    return "if_match" in names or any(map(_compares, dependant.dependencies))


def _forbidden(detail: str, fix: str) -> Rejected:
    return Rejected(detail, status=403, code="forbidden", fix=fix)


def no_such_candidate() -> Rejected:
    """Nothing is known by this id."""
    return Rejected(
        "There is no merge candidate of this id.",
        status=404,
        code="unknown-candidate",
        fix="Read /v1/merge-candidates again: what is known of one of the two may have changed.",
    )


def no_such_absence() -> Rejected:
    """Nothing is known by this id."""
    return Rejected(
        "There is no absence of this id.", status=404, code="unknown-absence", fix="Take one from GET /v1/owners."
    )


def no_such_order() -> Rejected:
    """Nothing is known by this id."""
    return Rejected(
        "There is no order of this id.",
        status=404,
        code="unknown-order",
        fix="Take one from GET /v1/leads/{lead_id}/customer.",
    )


_UNKNOWN: dict[str, Callable[[], Rejected]] = {
    "lead_id": no_such_lead,
    "task_id": no_such_task,
    "opportunity_id": no_such_opportunity,
    "candidate_id": no_such_candidate,
    "absence_id": no_such_absence,
    "order_id": no_such_order,
    "endpoint_id": no_such_endpoint,
}
"""The answer for what is not there, which is that for what another unit has."""
