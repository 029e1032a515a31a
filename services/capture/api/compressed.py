"""Compressed bodies, opened a piece at a time: what one would become is never larger than what may be sent without."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping

from services.capture.api.admission import Claim
from shared.kit.errors import Rejected

PIECE_BYTES = 256 * 1024
"""About a millisecond of work, before others have their turn."""

MAX_MEMBERS = 100
"""How many gzip members a body may be made of; each is looked at with all that comes after it."""

_GZIP = 16 + zlib.MAX_WBITS


def is_gzip(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the body is compressed with gzip. Raises `Rejected` with 415 for any other coding."""
    coding = headers.get(b"content-encoding", b"identity").strip().lower()
    if coding in (b"identity", b""):
        return False
    if coding in (b"gzip", b"x-gzip"):
        return True
    raise Rejected(
        "The body is compressed in a way that is not read here.",
        status=415,
        code="unsupported-content-encoding",
        field="Content-Encoding",
        fix="Send `Content-Encoding: gzip`, or the body uncompressed.",
        headers={"Accept-Encoding": "gzip, identity"},
    )


async def inflated(body: bytes, claim: Claim, *, limit: int) -> bytes:
    """The body opened. Raises `Rejected`: 413 as soon as it is over the limit, 400 where it is no whole gzip."""
    pieces: list[bytes] = []
    size = members = 0
    while body:
        members += 1
        if members > MAX_MEMBERS:
            raise _broken(f"it has more than {MAX_MEMBERS} members")
        opener = zlib.decompressobj(_GZIP)
        while not opener.eof:
            try:
                piece = opener.decompress(body, PIECE_BYTES)
            except zlib.error:
                raise _broken("its bytes are none of that") from None
            if not piece and not opener.eof and not opener.unconsumed_tail:
                raise _broken("it breaks off")
            size += len(piece)
            if size > limit:
                raise Rejected(
                    f"The body is over the limit of {limit} bytes once it is opened.",
                    status=413,
                    code="too-large",
                    fix="Send less at once; split batches.",
                )
            claim.hold(len(piece))
            pieces.append(piece)
            body = opener.unconsumed_tail
            await asyncio.sleep(0)
        body = opener.unused_data
    return b"".join(pieces)


def _broken(why: str) -> Rejected:
    return Rejected(
        f"The body is no gzip: {why}.",
        status=400,
        code="not-gzip",
        field="body",
        fix="Compress the whole body with gzip, or leave Content-Encoding out.",
    )
