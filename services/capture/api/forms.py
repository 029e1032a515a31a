"""What public forms need besides: from which sites and how often they may be posted, and answers that browsers, people and
scripts each understand."""

from __future__ import annotations

from hashlib import blake2b
from ipaddress import ip_address
from math import ceil
from secrets import token_bytes
from urllib.parse import quote, urlencode, urljoin, urlsplit

import orjson
from fastapi import Request, Response

from services.capture.api.admission import Bucket
from services.capture.api.pages import Language, language_of, sorry, thanks
from services.capture.domain.channels import Address
from services.capture.handlers import Batch
from shared.contracts.policy import Endpoint
from shared.kit.errors import Rejected, Retryable
from shared.kit.problems import problem_answer

ANY = "*"
PREFLIGHT_SECONDS = 86_400
_BUCKETS = 65_536
_URL_CHARACTERS = ":/?#[]@!$&'()*+,;=%~"


class FormRates:
    """So many submissions a minute for one form from one place. Places are told apart by one of many buckets, picked by a
    hash that is salted anew at each start: no address is kept."""

    def __init__(self) -> None:
        self._salt = token_bytes(16)
        self._buckets: dict[int, Bucket] = {}

    def admit(self, address: Address, client: str | None, now: float) -> None:
        """Takes one out of the bucket. Raises `Rejected` with 429 when it is empty."""
        per_minute = address.endpoint.rate_per_minute
        said = f"{address.unit}\x1f{address.name}\x1f{_network(client)}".encode()
        place = int.from_bytes(blake2b(said, key=self._salt, digest_size=8).digest()) % _BUCKETS
        bucket = self._buckets.get(place)
        if bucket is None:
            bucket = self._buckets[place] = Bucket(per_minute / 60, max(1.0, per_minute / 2), now)
        left = bucket.left(now)
        if left < 1:
            wait = max(1, ceil((1 - left) * 60 / per_minute))
            raise Rejected(
                f"This form takes {per_minute} submissions a minute from one place.",
                status=429,
                code="rate-limited",
                fix=f"Send again in {wait} s.",
                headers={"Retry-After": str(wait)},
            )
        bucket.take(1)


def _network(client: str | None) -> str:
    """The address, of IPv6 the part that one household has."""
    try:
        address = ip_address(client or "")
    except ValueError:
        return ""
    return str(address) if address.version == 4 else address.exploded[:19]


def origin_of(request: Request) -> str | None:
    """The site a browser says it posts from: its Origin, else that of its Referer. None where it says neither."""
    origin = request.headers.get("origin")
    if origin is not None:
        return origin.lower()
    page = _back(request)
    return None if page is None else "{0.scheme}://{0.netloc}".format(urlsplit(page)).lower()


def refuse_strange_origin(request: Request, endpoint: Endpoint) -> None:
    """Raises `Rejected` with 403 for a browser on a site that is not listed. What is no browser says no site: that it could
    lie is why the list protects visitors and not us."""
    origin = origin_of(request)
    if origin is None or origin in endpoint.allowed_origins or ANY in endpoint.allowed_origins:
        return
    raise Rejected(
        "This form may not be posted from the site it stands on.",
        status=403,
        code="forbidden",
        field="Origin",
        fix="Add the site to the form's allowed_origins in the policy.",
    )


def allow_origin(request: Request, endpoint: Endpoint, response: Response) -> None:
    """Lets a script on a listed site read the answer."""
    response.headers.add_vary_header("Origin")
    origin = request.headers.get("origin")
    if origin is not None and (origin.lower() in endpoint.allowed_origins or ANY in endpoint.allowed_origins):
        response.headers["Access-Control-Allow-Origin"] = origin


def preflight(request: Request, endpoint: Endpoint) -> Response:
    """The answer to a browser that asks before a script posts. Raises `Rejected` with 403."""
    refuse_strange_origin(request, endpoint)
    response = Response(status_code=204)
    response.headers["Access-Control-Allow-Methods"] = "POST"
    response.headers["Access-Control-Allow-Headers"] = "Content-Type"
    response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    allow_origin(request, endpoint, response)
    return response


def taken_answer(request: Request, endpoint: Endpoint, batch: Batch) -> Response:
    """The answer to a form that was taken: a script hears so, a person sees the page that is configured, else a plain one."""
    if not _is_person(request):
        items = [{"event_id": item["event_id"]} for item in batch.items if "event_id" in item]
        return Response(orjson.dumps({"accepted": len(items), "items": items}), 200, media_type="application/json")
    page = _page_of(endpoint.redirect, request)
    if page is not None:
        return Response(status_code=303, headers={"Location": page, "Cache-Control": "no-store"})
    return thanks(_language(request, endpoint), _back(request))


def failed_answer(request: Request, endpoint: Endpoint, error: Rejected | Retryable) -> Response:
    """The answer to a form that was not taken."""
    problem = problem_answer(error)
    if not _is_person(request):
        return problem
    status = problem.status_code
    page = _page_of(endpoint.error_redirect, request)
    if page is not None:
        code = error.code if isinstance(error, Rejected) else "unavailable"
        mark = "&" if urlsplit(page).query else "?"
        return Response(status_code=303, headers={"Location": f"{page}{mark}{urlencode({'error': code})}"})
    errors = error.extra.get("errors", []) if isinstance(error, Rejected) else []
    response = sorry(_language(request, endpoint), status, [one["field"] for one in errors], _back(request))
    if "retry-after" in problem.headers:
        response.headers["Retry-After"] = problem.headers["retry-after"]
    return response


def _is_person(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _language(request: Request, endpoint: Endpoint) -> Language:
    return endpoint.language or language_of(request.headers.get("accept-language", ""))


def _page_of(page: str | None, request: Request) -> str | None:
    """The page to go to. A path is one of the site that the form stands on."""
    if page is None:
        return None
    written = quote(page, safe=_URL_CHARACTERS)
    if not page.startswith("/"):
        return written
    site = _address(origin_of(request))
    return None if site is None else urljoin(site, written)


def _back(request: Request) -> str | None:
    """Where the form is, as far as the browser says."""
    return _address(request.headers.get("referer"))


def _address(said: str | None) -> str | None:
    """What a browser says, where it is an address: anybody can say anything."""
    try:
        parts = urlsplit(said or "")
    except ValueError:
        return None
    return said if parts.scheme in ("http", "https") and parts.netloc else None
