"""From a request to a delivery, and from there to drafts: received, known from whom, read as the adapter wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from fastapi import Request

from services.capture.answers import refusal
from services.capture.api.admission import Claim
from services.capture.api.bodies import Head, feed_body, parse, read_body, refuse_compressed
from services.capture.api.parts import FormReader, parse_form
from services.capture.api.tables import parse_table
from services.capture.domain import Refused
from services.capture.domain.channels import Address, Addresses, Content, Delivery, Draft, Ignored, addressed
from services.capture.domain.faults import Fault, describe
from services.capture.domain.keys import ApiKey
from services.capture.settings import CaptureSettings
from shared.kit.connections import MAX_BODY_BYTES, BoundedProtocol
from shared.kit.errors import Rejected

Verify = Callable[[Address, Delivery, Mapping[bytes, bytes]], ApiKey | None]
"""Raises for what is not from its sender; the key of ours that proved it, where one did."""

_TABLE_TYPES = (b"text/csv", b"text/tab-separated-values")
_FORM_TYPES = (b"application/x-www-form-urlencoded", b"multipart/form-data")


def bare(request: Request, body: bytes = b"", content: object = None) -> Delivery:
    """The request as adapters see it."""
    return Delivery(body, content, request.headers, request.query_params, str(request.url))


async def receive(
    request: Request, claim: Claim, address: Address, settings: CaptureSettings, verify: Verify
) -> tuple[Delivery, ApiKey | None]:
    """What was sent, of a form its fields, else its bytes, and what `verify` answered. Nothing is read before that."""
    headers: dict[bytes, bytes] = dict(request.scope["headers"])
    refuse_compressed(headers)
    content_type = headers.get(b"content-type", b"")
    limit, seconds = settings.max_body_bytes, settings.body_timeout_seconds
    if address.is_form and _is_form(content_type):
        # Nothing is signed over its bytes, so a file in it may be as large as a batch and is read past.
        claim.hold(limit)
        reader = FormReader(content_type.decode("latin-1"), max_field_bytes=limit)
        most = max(limit, settings.max_batch_bytes)
        await feed_body(request, headers, reader.write, limit=most, timeout_seconds=seconds)
        return bare(request, content=reader.fields()), None
    if address.adapter.head_bytes is not None:
        key = verify(address, bare(request), headers)
        claim.hold(address.adapter.head_bytes)
        head = Head(address.adapter.head_bytes)
        await feed_body(request, headers, head.take, limit=settings.max_email_bytes, timeout_seconds=seconds)
        return bare(request, head.content()), key
    body = await read_body(request, headers, claim, limit=limit, timeout_seconds=seconds)
    delivery = bare(request, body)
    return delivery, verify(address, delivery, headers)


def long_deliveries(addresses: Addresses, settings: CaptureSettings) -> dict[str, tuple[int, float]]:
    """Paths whose bodies may be larger than the server lets arrive elsewhere: so many bytes, and within so many seconds. As
    elsewhere, who goes on sending after an answer of 413 has room to take it."""
    most = (settings.max_email_bytes + MAX_BODY_BYTES, BoundedProtocol.body_seconds)
    return {
        f"/v1/channels/{address.unit}/{address.name}": most
        for address in addresses
        if address.adapter.head_bytes is not None
    }


def read_drafts(address: Address, delivery: Delivery, *, key: str | None, limit: int) -> list[Draft] | Ignored:
    """What the adapter makes of it. Raises `Rejected`: 400, 413, 415 or 422 where it is not what the sender should send."""
    if delivery.content is None:
        content_type = delivery.headers.get("content-type", "").encode("latin-1")
        delivery = replace(delivery, content=_content(address.adapter.contents, delivery.body, content_type, limit))
    reading = address.adapter.read(delivery, address.endpoint)
    if isinstance(reading, Refused):
        raise refusal(reading)
    if isinstance(reading, Ignored):
        return reading
    return [
        replace(
            _addressed(draft, address),
            key=draft.key if draft.key is not None or key is None else f"{key}:{place}",
        )
        for place, draft in enumerate(reading)
    ]


def _addressed(draft: Draft, address: Address) -> Draft:
    otherwise = None if draft.otherwise is None else _addressed(draft.otherwise, address)
    return replace(draft, body=addressed(draft.body, address.unit, address.endpoint), otherwise=otherwise)


def _is_form(content_type: bytes) -> bool:
    return content_type.lower().startswith(_FORM_TYPES)


def _content(contents: tuple[Content, ...], body: bytes, content_type: bytes, limit: int) -> object:
    """The body as the adapter wants it. Raises `Rejected`: 400 where it breaks, 415 where it is something else."""
    if "bytes" in contents:
        return body
    if _is_form(content_type):
        if "form" in contents:
            return parse_form(body, content_type.decode("latin-1"), max_field_bytes=limit)
    elif "csv" in contents and content_type.lower().startswith(_TABLE_TYPES):
        return parse_table(body)
    elif "json" in contents:
        value = parse(body)
        if "form" not in contents:
            return value
        if not isinstance(value, dict):
            fix = "Send the form's fields as one object."
            raise refusal(Refused((Fault("body", f"is {describe(value)}, not an object", fix),)))
        return list(value.items())
    wanted = "application/json" if "json" in contents else "application/x-www-form-urlencoded"
    raise Rejected(
        f"The body is not sent as {wanted}.",
        status=415,
        code="unsupported-media-type",
        field="Content-Type",
        fix=f"Send `Content-Type: {wanted}`.",
    )
