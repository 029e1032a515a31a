"""The door: who asks, what they may, of which units. A route that the table does not name is for operators of all units."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, Request
from pydantic import ValidationError

from services.metrics.domain.access import (
    DEPLOYMENT,
    FOLLOW,
    MANAGE,
    READ,
    Caller,
    Named,
    Rule,
    caller_of,
    holds,
)
from shared.contracts.access import Me, Units
from shared.kit.auth import Bearer, bearer_of, is_operator, is_same, require_token
from shared.kit.errors import Rejected, Retryable
from shared.kit.header_texts import as_written
from shared.kit.logs import log
from shared.kit.vouching import Voucher

UNIT, ACTOR = "business_unit", b"leadflow-actor"
_OF_NONE, _OF_MANY, _OF_ONE = (Rule(READ, named) for named in (Named.NOWHERE, Named.MANY, Named.ONE))
_INSIDE, _SAYS = Rule(READ, Named.INSIDE), Rule(MANAGE, Named.INSIDE, by=True)

RULES: Mapping[tuple[str, str], Rule] = {
    ("GET", "/v1/kpis"): _OF_NONE,
    ("GET", "/v1/kpis/{kpi}"): _OF_MANY,
    ("GET", "/v1/kpis/{kpi}/leads"): _OF_MANY,
    ("GET", "/v1/kpis/{kpi}/why"): _OF_MANY,
    ("GET", "/v1/findings"): _OF_MANY,
    ("GET", "/v1/findings/noticed"): _OF_MANY,
    ("GET", "/v1/findings/noticed/{noticed_id}"): _INSIDE,
    ("POST", "/v1/findings/noticed/{noticed_id}:{what}"): _SAYS,
    ("GET", "/v1/forecast"): _OF_ONE,
    ("GET", "/v1/forecast/backtest"): _OF_ONE,
    ("GET", "/v1/frozen"): _OF_ONE,
    ("GET", "/v1/frozen/{frozen_id}"): _INSIDE,
    ("GET", "/v1/targets"): _OF_ONE,
    ("GET", "/v1/targets/standing"): _OF_ONE,
    ("GET", "/v1/targets/{target_id}"): _INSIDE,
    ("PUT", "/v1/targets"): _SAYS,
    ("POST", "/v1/targets/import"): _SAYS,
    ("DELETE", "/v1/targets/{target_id}"): _SAYS,
    ("GET", "/v1/spending"): _OF_ONE,
    ("POST", "/v1/spending"): _SAYS,
    ("POST", "/v1/spending/import"): _SAYS,
    ("DELETE", "/v1/spending/{spend_id}"): _SAYS,
    ("GET", "/v1/rates"): _OF_NONE,
    ("GET", "/v1/audits"): _OF_NONE,
    ("GET", "/v1/reports"): _OF_NONE,
    ("GET", "/v1/reports/{name}"): _OF_NONE,
    ("GET", "/v1/reports/{name}/told"): _OF_MANY,
    ("PUT", "/v1/reports/{name}"): _INSIDE,
    ("DELETE", "/v1/reports/{name}"): _INSIDE,
}


@dataclass(frozen=True, slots=True)
class Access:
    """Who was let in, and the units in which they may do what the route does."""

    caller: Caller
    units: Units

    def sees(self, unit: str | None) -> bool:
        """Whether what is of this unit, or of all, is there for whoever asks."""
        return holds(self.units, [unit or None])

    def check(self, asked: Iterable[str | None]) -> None:
        """Raises `Rejected` with 403 for a unit that is not held, and for what is of all units."""
        if not holds(self.units, [one or None for one in asked]):
            raise _not_held()

    def delivers(self, asked: Iterable[str | None]) -> bool:
        """Whether reports of all these units may be sent by whoever asks, which goes on by itself."""
        return holds(self.caller.units(FOLLOW), asked)

    def check_delivering(self, asked: Iterable[str | None]) -> None:
        """Raises `Rejected` with 403 for who may not have reports of these units sent."""
        if not self.delivers(asked):
            raise _forbidden(FOLLOW)


class Callers:
    """Finds out who a bearer token stands for: the deployment's by itself, all others where pipeline is asked."""

    def __init__(self, voucher: Voucher | None) -> None:
        self._voucher = voucher

    async def of(self, request: Request) -> Caller:
        """Raises `Rejected` with 401 for nobody's, `Retryable` while that cannot be known."""
        if is_operator(request):
            return DEPLOYMENT
        if self._voucher is None:
            await require_token(request)
        assert self._voucher is not None
        try:
            return caller_of(Me.model_validate(await self._voucher.of(bearer_of(request))))
        except ValidationError as error:
            raise Retryable("Pipeline says who this is in words that are not known here.") from error

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Ends its connections with the block."""
        try:
            yield
        finally:
            if self._voucher is not None:
                await self._voucher.close()


async def admit(request: Request) -> None:
    """Lets somebody send a body, of whom only that is known that they are somebody."""
    if is_same(bearer_of(request), request.app.state.privacy_token):
        return
    request.state.caller = await _callers(request).of(request)


async def guard(request: Request, _bearer: Bearer = None) -> None:
    """Lets a request in, as if it had named the units that it may ask about, and who asks; or refuses it."""
    try:
        await _admit(request)
    except Rejected as error:
        log().info("access_denied", reason=error.code, route=request.scope["route"].path_format)
        raise


async def _admit(request: Request) -> None:
    caller: Caller = getattr(request.state, "caller", None) or await _callers(request).of(request)
    rule = RULES.get((request.method, request.scope["route"].path_format), Rule())
    units = caller.units(rule.roles)
    if units is not None and not units:
        raise _forbidden(rule.roles)
    request.state.access = Access(caller, units)
    if units is not None:
        _keep_to(request, rule, units)
    if caller.subject is not None:
        _name(request, rule, caller)


async def access_of(request: Request) -> Access:
    """Who was let in, and how far."""
    access: Access = request.state.access
    return access


Reaching = Annotated[Access, Depends(access_of)]
"""Asked for by routes that look themselves of which units they are."""


def _callers(request: Request) -> Callers:
    return getattr(request.app.state, "callers", None) or Callers(None)


def _keep_to(request: Request, rule: Rule, units: frozenset[str]) -> None:
    """What names no unit is of those that are held."""
    if rule.named is None:
        raise Rejected(
            "This concerns all business units.", status=403, code="forbidden",
            fix="Use credentials that reach all of them.",
        )  # fmt: skip
    if rule.named not in (Named.MANY, Named.ONE):
        return
    asked = request.query_params.getlist(UNIT)
    if asked:
        if not holds(units, asked):
            raise _not_held()
    elif rule.named is Named.ONE and len(units) > 1:
        raise Rejected(
            "It is not said of which business unit.", code="invalid-parameter", field=UNIT,
            fix=f"Name one of {', '.join(sorted(units))}.",
        )  # fmt: skip
    else:
        _set_query(request, [*request.query_params.multi_items(), *((UNIT, unit) for unit in sorted(units))])


def _name(request: Request, rule: Rule, caller: Caller) -> None:
    """Whoever has credentials of their own is on record under these."""
    actor = caller.actor(as_written(request.headers.get(ACTOR.decode(), "")))
    if actor is None:
        raise Rejected(
            "Leadflow-Actor names somebody else than the credentials do.", status=403, code="not-the-actor",
            field="Leadflow-Actor", fix="Leave the header out: what you do is recorded under the name that your credentials have.",
        )  # fmt: skip
    others = [(name, value) for name, value in request.scope["headers"] if name != ACTOR]
    request.scope["headers"] = [*others, (ACTOR, actor.encode("utf-8"))]
    request.__dict__.pop("_headers", None)
    if rule.by:
        query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        _set_query(request, [*((name, value) for name, value in query if name != "by"), ("by", actor)])


def _set_query(request: Request, items: Iterable[tuple[str, str]]) -> None:
    request.scope["query_string"] = urlencode(list(items)).encode("latin-1")
    request.__dict__.pop("_query_params", None)


def _forbidden(roles: Iterable[str]) -> Rejected:
    return Rejected(
        f"This is for the roles {', '.join(roles)}.", status=403, code="forbidden",
        fix="Use credentials of one of these roles.",
    )  # fmt: skip


def _not_held() -> Rejected:
    return Rejected(
        "These credentials do not reach all the business units that this is about.", status=403, code="unit-not-held",
        field=UNIT, fix="Name units that they reach, or leave business_unit out to ask about all of those.",
    )  # fmt: skip
