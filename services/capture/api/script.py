"""The first-party script, as browsers keep it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from fastapi import Request, Response

_SCRIPT = Path(__file__).with_name("leadflow.js").read_bytes()
_HEADERS = {
    "ETag": f'"{sha256(_SCRIPT).hexdigest()[:16]}"',
    "Cache-Control": "public, max-age=3600",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


async def serve_script(request: Request) -> Response:
    """The script, or that the browser's own is still the one."""
    if request.headers.get("if-none-match") == _HEADERS["ETag"]:
        return Response(status_code=304, headers=_HEADERS)
    return Response(_SCRIPT, headers=_HEADERS, media_type="text/javascript; charset=utf-8")
