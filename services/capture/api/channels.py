"""Channels over HTTP: find the endpoint, see that the delivery is from its sender, read it, hand it over, answer as the
sender wants to be answered."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Any, cast

import orjson
from fastapi import APIRouter, Request, Response

from services.capture.answers import refused_item
from services.capture.api import MAX_IDEMPOTENCY_KEY, Door, Endpoint, RawRoute
from services.capture.api.admission import Claim, header_text
from services.capture.api.channels_schema import methods_of
from services.capture.api.deliveries import bare, read_drafts, receive
from services.capture.api.forms import (
    FormRates,
    allow_origin,
    failed_answer,
    preflight,
    refuse_strange_origin,
    taken_answer,
)
from services.capture.api.script import serve_script
from services.capture.deliveries import Deliveries
from services.capture.domain.channels import VERIFICATIONS, Address, Addresses, Delivery, Draft, Forged, Ignored
from services.capture.domain.keys import ApiKey
from services.capture.domain.naming import delivery_names
from services.capture.handlers import Batch, Caller
from shared.kit.clock import Clock
from shared.kit.errors import Rejected, Retryable
from shared.kit.problems import problem_answer

PATH = "/v1/channels/{unit}/{endpoint}"


class ChannelDoor:
    """What every delivery passes."""

    def __init__(
        self,
        *,
        door: Door,
        addresses: Addresses,
        deliveries: Deliveries,
        secrets: Mapping[str, tuple[str, ...]],
        clock: Clock,
    ) -> None:
        self._door = door
        self.addresses = addresses
        self._deliveries = deliveries
        self._secrets = secrets
        self._clock = clock
        self._rates = FormRates()

    async def post(self, request: Request) -> Response:
        """Takes one delivery in."""
        address = None
        limits: dict[str, str] = {}
        try:
            with self._door.inflight.one() as claim:
                address = self._address(request)
                taken = await self._take(request, claim, address, limits)
            response, outcome = await self._answer(request, address, taken)
        except (Rejected, Retryable) as error:
            response, outcome = await self._failed(request, address, error), _outcome(error)
        for name, value in limits.items():
            response.headers.setdefault(name, value)
        adapter = "unknown"
        if address is not None:
            adapter = address.endpoint.adapter
            if address.is_form:
                allow_origin(request, address.endpoint, response)
        self._door.instruments.deliveries.labels(adapter, outcome).inc()
        self._door.instruments.requests.labels("channels", str(response.status_code)).inc()
        return response

    async def _take(self, request: Request, claim: Claim, address: Address, limits: dict[str, str]) -> Batch | Ignored:
        if address.is_form:
            refuse_strange_origin(request, address.endpoint)
        delivery, sent_with, key = await self._received(request, claim, address)
        try:
            drafts = read_drafts(address, delivery, key=key, limit=self._door.settings.max_body_bytes)
        except Rejected as error:
            raise self._deliveries.refused(address, delivery, key, error) from None
        if isinstance(drafts, Ignored) or not drafts:
            self._deliveries.ignored(address)
            return drafts if isinstance(drafts, Ignored) else Ignored("there is no record in it")
        if sent_with is not None:
            limits.update(self._door.rates.charge(sent_with, len(drafts)))
        drafts = _named(drafts, delivery.body, address)
        caller = Caller(address.name, may_backdate=False, is_anybody=address.is_form)
        return await self._door.intake.take_drafts(drafts, caller, address.endpoint.country)

    async def _received(
        self, request: Request, claim: Claim, address: Address
    ) -> tuple[Delivery, ApiKey | None, str | None]:
        """The delivery, the key that proved it and what its sender calls it. Where somebody known is turned away, that is on
        the books."""
        proven = address.is_form

        def verify(address: Address, delivery: Delivery, headers: Mapping[bytes, bytes]) -> ApiKey | None:
            nonlocal proven
            sent_with = self._verify(address, delivery, headers)
            proven = True
            return sent_with

        try:
            if address.is_form:
                self._rates.admit(address, request.client.host if request.client else None, monotonic())
            delivery, sent_with = await receive(request, claim, address, self._door.settings, verify)
            given = delivery.headers.get("idempotency-key")
            if given is None:
                return delivery, sent_with, None
            return delivery, sent_with, header_text("Idempotency-Key", given.encode("latin-1"), MAX_IDEMPOTENCY_KEY)
        except (Rejected, Retryable) as error:
            if proven or self._has_key(request, address):
                self._deliveries.turned_away(address, error)
            raise

    def _has_key(self, request: Request, address: Address) -> bool:
        """Whether a key of ours says who it is, though nothing more was looked at. Of a sender that signs, only the whole body
        would."""
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        if not _may_have_key(address, headers):
            return False
        with suppress(Rejected, Retryable):
            self._door.keys.caller(self._door.keys.owner(headers), headers)
            return True
        return False

    async def _answer(self, request: Request, address: Address, batch: Batch | Ignored) -> tuple[Response, str]:
        """Anything the log did not take is asked for again: what it did take is recognised by its key. A delivery of which
        nothing can be taken is refused; one of which something was is done, and each item says."""
        if isinstance(batch, Ignored):
            nothing = {"accepted": 0, "rejected": 0, "items": [], "ignored": batch.reason}
            return Response(orjson.dumps(nothing), media_type="application/json"), "ignored"
        if batch.unavailable is not None:
            raise batch.unavailable
        total = len(batch.items)
        refused = total > 0 and not batch.accepted
        if address.is_form:
            if refused:
                raise _refused(batch)
            return taken_answer(request, address.endpoint, batch), "taken"
        if not refused:
            return _items(batch, 200), "taken"
        problems = (cast(dict[str, Any], item["problem"]) for item in batch.items)
        kept = all("quarantine_id" in problem for problem in problems) and await self._is_kept(address)
        return _items(batch, 200 if kept else 422), "refused"

    async def _failed(self, request: Request, address: Address | None, error: Rejected | Retryable) -> Response:
        if address is not None and address.is_form:
            return failed_answer(request, address.endpoint, error)
        if address is None or isinstance(error, Retryable) or "quarantine_id" not in error.extra:
            return problem_answer(error)
        if await self._is_kept(address):
            return _items(Batch([refused_item(0, error)]), 200)
        return problem_answer(error)

    async def _is_kept(self, address: Address) -> bool:
        """Whether a sender that stops at errors is told that all is well: what it sent waits in the database for a person,
        sending it again would not help, and with the address switched off what can be taken would be lost too."""
        return address.adapter.stops_on_errors and await self._deliveries.written()

    async def options(self, request: Request) -> Response:
        """Answers a browser that asks before a script posts a form."""
        try:
            address = self._address(request)
            if not address.is_form:
                raise _no_such_method(address, "Only forms are posted by browsers.")
            return preflight(request, address.endpoint)
        except Rejected as error:
            return problem_answer(error)

    async def get(self, request: Request) -> Response:
        """Answers a sender's handshake."""
        try:
            address = self._address(request)
            handshake = address.adapter.handshake
            if handshake is None:
                raise _no_such_method(address, f"{address.adapter.title} asks for no handshake.")
            answered = handshake(bare(request), self._live(address.endpoint.verify_token or address.endpoint.secret))
            if isinstance(answered, Forged):
                raise _forged(address, answered)
        except Rejected as error:
            return problem_answer(error)
        return Response(answered.body, media_type=answered.media_type)

    async def other(self, request: Request) -> Response:
        """Answers what no address takes."""
        try:
            raise _no_such_method(self._address(request), f"{request.method} is not done here.")
        except Rejected as error:
            return problem_answer(error)

    def _address(self, request: Request) -> Address:
        unit, name = request.path_params["unit"], request.path_params["endpoint"]
        address = self.addresses.find(unit, name)
        if address is None:
            raise Rejected(
                "There is no such endpoint.",
                status=404,
                code="not-found",
                fix="Name it in the policy, under `endpoints` of its unit, and restart capture.",
            )
        return address

    def _verify(self, address: Address, delivery: Delivery, headers: Mapping[bytes, bytes]) -> ApiKey | None:
        """Raises `Rejected` with 401 or 403, or with 429 for a key that sends too much. A key of ours proves a sender as well
        as its own signature does."""
        if address.verification == "open":
            return None
        if _may_have_key(address, headers):
            key = self._door.keys.owner(headers)
            self._door.keys.caller(key, headers)
            self._door.rates.admit(key, monotonic())
            return key
        outcome = VERIFICATIONS[address.verification](
            delivery, self._live(address.endpoint.secret), address.endpoint, self._clock.now()
        )
        if isinstance(outcome, Forged):
            raise _forged(address, outcome)
        age = "newest" if outcome.secret == 0 else "older"
        self._door.instruments.deliveries_proven.labels(address.endpoint.secret, age).inc()
        return None

    def _live(self, name: str | None) -> tuple[str, ...]:
        return () if name is None else self._secrets.get(name, ())


def _may_have_key(address: Address, headers: Mapping[bytes, bytes]) -> bool:
    return address.verification not in VERIFICATIONS or b"x-api-key" in headers


def _named(drafts: list[Draft], body: bytes, address: Address) -> list[Draft]:
    """The drafts, those that nobody named by what was delivered: a sender that is told to deliver again is counted once. Two
    people may send the same form."""
    if address.is_form or all(draft.key is not None for draft in drafts):
        return drafts
    names = delivery_names(body)
    return [draft if draft.key is not None else replace(draft, key=names(place)) for place, draft in enumerate(drafts)]


def _no_such_method(address: Address, why: str) -> Rejected:
    allow = ", ".join(methods_of(address))
    return Rejected(
        why, status=405, code="method-not-allowed", field="method", fix="Send a POST.", headers={"Allow": allow}
    )


def _forged(address: Address, forged: Forged) -> Rejected:
    return Rejected(
        f"This is not proven to be from {address.adapter.title}: {forged.reason}.",
        status=401,
        code="unauthorized",
        fix="Check that the sender signs with the secret this deployment has for it, and that both clocks are right.",
    )


def _outcome(error: Rejected | Retryable) -> str:
    if isinstance(error, Retryable):
        return "unavailable"
    return {401: "forged", 403: "forged", 422: "refused", 429: "limited"}.get(error.status, "unreadable")


def _items(batch: Batch, status: int) -> Response:
    content = {"accepted": batch.accepted, "rejected": len(batch.items) - batch.accepted, "items": batch.items}
    return Response(orjson.dumps(content), status, media_type="application/json")


def _refused(batch: Batch) -> Rejected:
    """What was wrong with a form's one record."""
    problem = cast(dict[str, Any], batch.items[0]["problem"])
    return Rejected(
        problem["detail"],
        status=problem["status"],
        code="invalid-fields",
        field=problem.get("field"),
        fix=problem.get("fix"),
        extra={"errors": problem.get("errors", [])},
    )


def channels_router(door: ChannelDoor) -> APIRouter:
    """One address for each endpoint, and the script for pages with forms."""
    router = APIRouter(tags=["channels"], route_class=RawRoute)
    endpoints: tuple[tuple[tuple[str, ...], Endpoint], ...] = (
        (("POST",), door.post),
        (("GET",), door.get),
        (("OPTIONS",), door.options),
        (("HEAD", "PUT", "PATCH", "DELETE"), door.other),
    )
    for methods, endpoint in endpoints:
        # Each address of the policy is documented under its own path.
        router.add_api_route(
            PATH,
            endpoint,
            methods=list(methods),
            response_class=Response,
            response_model=None,
            include_in_schema=False,
        )
    router.add_api_route(
        "/leadflow.js",
        serve_script,
        methods=["GET"],
        response_class=Response,
        response_model=None,
        summary="The first-party script: page views and form fills of your own site",
        operation_id="capture_script",
        openapi_extra={
            "responses": {
                "200": {"description": "JavaScript", "content": {"text/javascript": {"schema": {"type": "string"}}}}
            }
        },
    )
    return router
