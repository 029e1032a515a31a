"""Channels over HTTP: find the endpoint, see that the delivery is from its sender, read it, hand it over, answer as the
sender wants to be answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from services.capture.api import Door, RawRoute
from services.capture.api.admission import Claim
from services.capture.api.bodies import parse, read_body, refuse_compressed
from services.capture.api.channels_schema import operation
from services.capture.api.parts import parse_form
from services.capture.domain import Refused
from services.capture.domain.channels import (
    VERIFICATIONS,
    Address,
    Addresses,
    Content,
    Delivery,
    Draft,
    Forged,
    addressed,
)
from services.capture.handlers import Batch, Caller, refusal
from shared.kit.clock import Clock
from shared.kit.errors import Rejected, Retryable
from shared.kit.problems import problem_answer

PATH = "/v1/channels/{unit}/{endpoint}"
_FORM_TYPES = (b"application/x-www-form-urlencoded", b"multipart/form-data")


class ChannelDoor:
    """What every delivery passes."""

    def __init__(
        self, *, door: Door, addresses: Addresses, secrets: Mapping[str, tuple[str, ...]], clock: Clock
    ) -> None:
        self._door = door
        self.addresses = addresses
        self._secrets = secrets
        self._clock = clock

    async def post(self, request: Request) -> Response:
        """Takes one delivery in."""
        instruments = self._door.instruments
        adapter = outcome = "unknown"
        try:
            with self._door.inflight.one() as claim:
                address = self._address(request)
                adapter = address.endpoint.adapter
                delivery = await self._delivery(request, claim, address)
                drafts = self._drafts(address, delivery)
                caller = Caller(address.name, may_backdate=False)
                batch = await self._door.intake.take_drafts(drafts, caller, address.endpoint.country)
                response, outcome = _answer(address, batch)
        except (Rejected, Retryable) as error:
            response, outcome = problem_answer(error), _outcome(error)
        instruments.deliveries.labels(adapter, outcome).inc()
        instruments.requests.labels("channels", str(response.status_code)).inc()
        return response

    async def get(self, request: Request) -> Response:
        """Answers a sender's handshake."""
        try:
            address = self._address(request)
            handshake = address.adapter.handshake
            if handshake is None:
                raise Rejected(
                    f"{address.adapter.title} asks for no handshake; this address takes POST.",
                    status=405,
                    code="method-not-allowed",
                    fix="Send a POST.",
                    headers={"Allow": "POST"},
                )
            answered = handshake(_bare(request), self._live_secrets(address))
            if isinstance(answered, Forged):
                raise _forged(address, answered)
        except Rejected as error:
            return problem_answer(error)
        return Response(answered.body, media_type=answered.media_type)

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

    async def _delivery(self, request: Request, claim: Claim, address: Address) -> Delivery:
        """What was sent, once it is known to be from whom it says."""
        settings = self._door.settings
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        refuse_compressed(headers)
        body = await read_body(
            request,
            headers,
            claim,
            limit=settings.max_body_bytes,
            timeout_seconds=settings.body_timeout_seconds,
        )
        delivery = _bare(request, body)
        self._verify(address, delivery, headers)
        content_type = headers.get(b"content-type", b"")
        return Delivery(
            body, _content(address.adapter.contents, body, content_type), delivery.headers, delivery.query, delivery.url
        )

    def _verify(self, address: Address, delivery: Delivery, headers: Mapping[bytes, bytes]) -> None:
        """Raises `Rejected` with 401 or 403. A key of ours proves a sender as well as its own signature does."""
        if address.verification == "open":
            return
        verify = VERIFICATIONS.get(address.verification)
        if verify is None or b"x-api-key" in headers:
            self._door.keys.caller(self._door.keys.owner(headers), headers)
            return
        outcome = verify(delivery, self._live_secrets(address), address.endpoint, self._clock.now())
        if isinstance(outcome, Forged):
            raise _forged(address, outcome)

    def _live_secrets(self, address: Address) -> tuple[str, ...]:
        name = address.endpoint.secret
        return () if name is None else self._secrets.get(name, ())

    @staticmethod
    def _drafts(address: Address, delivery: Delivery) -> list[Draft]:
        """Raises `Rejected` with 422 where there is no sense in what was sent."""
        reading = address.adapter.read(delivery, address.endpoint)
        if isinstance(reading, Refused):
            raise refusal(reading)
        return [
            Draft(draft.kind, addressed(draft.body, address.unit, address.endpoint), draft.key, draft.flags)
            for draft in reading
        ]


def _bare(request: Request, body: bytes = b"") -> Delivery:
    return Delivery(body, None, request.headers, request.query_params, str(request.url))


def _content(contents: tuple[Content, ...], body: bytes, content_type: bytes) -> object:
    """The body as the adapter wants it. Raises `Rejected`: 400 where it breaks, 415 where it is something else."""
    if "bytes" in contents:
        return body
    is_form = content_type.lower().startswith(_FORM_TYPES)
    if is_form and "form" in contents:
        return parse_form(body, content_type.decode("latin-1"))
    if not is_form and "json" in contents:
        value = parse(body)
        if "form" in contents:
            return list(value.items()) if isinstance(value, dict) else []
        return value
    wanted = "application/json" if "json" in contents else "application/x-www-form-urlencoded"
    raise Rejected(
        f"The body is not sent as {wanted}.",
        status=415,
        code="unsupported-media-type",
        field="Content-Type",
        fix=f"Send `Content-Type: {wanted}`.",
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
    if error.status in (401, 403):
        return "forged"
    return "refused" if error.status == 422 else "unreadable"


def _answer(address: Address, batch: Batch) -> tuple[Response, str]:
    """Anything the log did not take is asked for again: what it did take is recognised by its key. A delivery of which
    nothing can be taken is refused; one of which something was is done, and each item says."""
    total = len(batch.items)
    content: dict[str, Any] = {"accepted": batch.accepted, "rejected": total - batch.accepted, "items": batch.items}
    if batch.unavailable is not None:
        return problem_answer(batch.unavailable), "unavailable"
    if total and not batch.accepted:
        return Response(orjson.dumps(content), 422, media_type="application/json"), "refused"
    outcome = "taken" if total else "nothing"
    return Response(orjson.dumps(content), address.adapter.status, media_type="application/json"), outcome


def channels_router(door: ChannelDoor) -> APIRouter:
    """One address for each endpoint."""
    router = APIRouter(tags=["channels"], route_class=RawRoute)
    router.add_api_route(
        PATH,
        door.post,
        methods=["POST"],
        response_class=Response,
        response_model=None,
        summary="Take in what a channel delivers",
        operation_id="capture_delivery",
        openapi_extra=operation("post", door.addresses),
    )
    router.add_api_route(
        PATH,
        door.get,
        methods=["GET"],
        response_class=Response,
        response_model=None,
        summary="Answer a sender that asks whether this address is meant for it",
        operation_id="capture_handshake",
        openapi_extra=operation("get", door.addresses),
    )
    return router
