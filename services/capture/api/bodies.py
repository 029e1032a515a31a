"""From bytes to JSON values: media types, sizes, time to arrive, and errors that say where the JSON breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from math import isinf

import orjson
from starlette.requests import Request

from services.capture.api.admission import Claim
from services.capture.api.compressed import is_gzip
from services.capture.handlers import Unreadable
from shared.kit.errors import Rejected

_JSON_TYPES = frozenset({b"", b"application/json", b"text/json"})
_NDJSON_TYPES = frozenset(
    {b"application/x-ndjson", b"application/ndjson", b"application/jsonl", b"application/x-jsonlines"}
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def is_ndjson(headers: Mapping[bytes, bytes], *, many: bool) -> bool:
    """Whether the body is one JSON value a line. Raises `Rejected` with 415 for what cannot be read here."""
    if headers.get(b"content-type") == b"application/json" and b"content-encoding" not in headers:
        return False
    is_gzip(headers)
    media_type, _, parameters = headers.get(b"content-type", b"").lower().partition(b";")
    media_type = media_type.strip()
    charset = parameters.partition(b"charset=")[2].partition(b";")[0].strip(b' "')
    known = media_type in _JSON_TYPES or media_type.endswith(b"+json")
    if (known or (many and media_type in _NDJSON_TYPES)) and charset in (b"", b"utf-8", b"utf8", b"us-ascii"):
        return not known
    wanted = "application/json or application/x-ndjson" if many else "application/json"
    raise Rejected(
        f"The body is not sent as {wanted} in UTF-8.",
        status=415,
        code="unsupported-media-type",
        field="Content-Type",
        fix=f"Send `Content-Type: {wanted.partition(' ')[0]}` with a body in UTF-8.",
        headers={"Accept": wanted.replace(" or ", ", ")},
    )


def refuse_compressed(headers: Mapping[bytes, bytes]) -> None:
    """Raises `Rejected` with 415 for a compressed body, where signatures are over the bytes as they were sent."""
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"identity", b""):
        raise Rejected(
            "Compressed bodies are not read here.",
            status=415,
            code="unsupported-content-encoding",
            field="Content-Encoding",
            fix="Send the body uncompressed, without Content-Encoding.",
            headers={"Accept-Encoding": "identity"},
        )


async def read_body(
    request: Request, headers: Mapping[bytes, bytes], claim: Claim, *, limit: int, timeout_seconds: float
) -> bytes:
    """The whole body. Raises `Rejected`: 413 as soon as it is over the limit, 408 when it does not arrive in time."""
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and len(announced) < 20 and int(announced) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(timeout_seconds):
            arrived = await request.receive()
            body: bytes = arrived.get("body", b"")
            claim.hold(len(body))
            if len(body) > limit:
                raise _too_large(limit)
            if not arrived.get("more_body", False):
                return _whole(arrived["type"], body)
            parts, size = [body], len(body)
            while arrived.get("more_body", False):
                arrived = await request.receive()
                body = arrived.get("body", b"")
                size += len(body)
                claim.hold(len(body))
                if size > limit:
                    raise _too_large(limit)
                parts.append(body)
            return _whole(arrived["type"], b"".join(parts))
    except TimeoutError:
        raise _too_slow(timeout_seconds) from None


async def feed_body(
    request: Request,
    headers: Mapping[bytes, bytes],
    take: Callable[[bytes], None],
    *,
    limit: int,
    timeout_seconds: float,
    after_each: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Hands the body over piece by piece, as it arrives. Raises `Rejected` as `read_body` does, and what `take` raises."""
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and len(announced) < 20 and int(announced) > limit:
        raise _too_large(limit)
    size = 0
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                arrived = await request.receive()
                piece: bytes = arrived.get("body", b"")
                size += len(piece)
                if size > limit:
                    raise _too_large(limit)
                _whole(arrived["type"], piece)
                take(piece)
                if after_each is not None:
                    await after_each()
                if not arrived.get("more_body", False):
                    return
    except TimeoutError:
        raise _too_slow(timeout_seconds) from None


class Head:
    """The beginning of a body, so much of it as there is room for."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._content = bytearray()

    def take(self, piece: bytes) -> None:
        """The next piece."""
        self._content += piece[: self._room - len(self._content)]

    def content(self) -> bytes:
        """What was kept."""
        return bytes(self._content)


def _too_slow(timeout_seconds: float) -> Rejected:
    return Rejected(
        f"The body did not arrive within {timeout_seconds:g} s.",
        status=408,
        code="body-too-slow",
        fix="Send the request again, in smaller batches if the line is slow.",
        headers={"Connection": "close"},
    )


def _whole(message_type: str, body: bytes) -> bytes:
    if message_type == "http.disconnect":
        raise Rejected("The connection ended before the body did.", status=400, code="incomplete-body")
    return body


def _too_large(limit: int) -> Rejected:
    return Rejected(
        f"The body is over the limit of {limit} bytes.",
        status=413,
        code="too-large",
        fix="Send less at once; split batches.",
    )


def parse(raw: bytes) -> object:
    """One JSON value. Raises `Rejected` with 400 and the place where it breaks.

    Text with half a surrogate pair is let through: the rules name the field it is in.
    """
    try:
        value: object = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _parse_slowly(raw)
    return value


def _parse_slowly(raw: bytes) -> object:
    if not raw.strip():
        raise _not_json("the body is empty")
    try:
        value: object = json.loads(raw.removeprefix(_BYTE_ORDER_MARK), parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise _not_json("it is nested too deep") from None
    except UnicodeDecodeError as error:
        raise _not_json(f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _not_json(f"{error.msg.lower()} at line {error.lineno}, column {error.colno}") from None
    except ValueError as error:
        raise _not_json(str(error) if isinstance(error, _NotANumber) else "it holds a number too long") from None
    return value


class _NotANumber(ValueError):
    """A word or a size that JSON numbers do not have."""


def _no_number(word: str) -> object:
    raise _NotANumber(f"{word} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise _NotANumber("it holds a number too large")
    return number


def _not_json(why: str) -> Rejected:
    return Rejected(
        f"The body is not JSON: {why}.",
        status=400,
        code="not-json",
        field="body",
        fix="Send one JSON value in UTF-8; for one value a line use the batch with application/x-ndjson.",
    )


def parse_array(raw: bytes, *, max_items: int) -> list[object]:
    """The items of a JSON array. Raises `Rejected`: 400, 413, 422."""
    items = parse(raw)
    if not isinstance(items, list):
        raise Rejected(
            "The body of a batch is a JSON array.",
            code="invalid-fields",
            field="body",
            fix="Send [ … ], or one object a line as application/x-ndjson.",
        )
    _check_count(len(items), max_items)
    return items


def parse_lines(raw: bytes, *, max_items: int, max_line_bytes: int) -> tuple[int, Iterator[object | Unreadable]]:
    """How many values there are, and each as it is read, also where a line is no JSON.
    Blank lines do not count. Raises `Rejected`: 413, 422."""
    lines = [line for line in raw.removeprefix(_BYTE_ORDER_MARK).split(b"\n") if line and not line.isspace()]
    _check_count(len(lines), max_items)
    return len(lines), (_parse_line(line, max_line_bytes) for line in lines)


def _parse_line(line: bytes, limit: int) -> object | Unreadable:
    if len(line) > limit:
        return Unreadable(line, _too_large(limit))
    try:
        return parse(line)
    except Rejected as error:
        return Unreadable(line, error)


def _check_count(count: int, limit: int) -> None:
    if count == 0:
        raise Rejected("The batch is empty.", code="invalid-fields", field="body", fix="Send at least one item.")
    if count > limit:
        raise Rejected(
            f"The batch has {count} items, over the limit of {limit}.",
            status=413,
            code="too-many-items",
            field="body",
            fix=f"Send at most {limit} items a call.",
        )
