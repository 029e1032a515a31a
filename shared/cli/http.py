"""One client for all services: credentials, retries with back-off, and errors that tell a person what to do."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

import httpx
import orjson
import typer
from rich.console import Console
from rich.markup import escape

from shared.cli.exit_codes import UNFINISHED_EXIT_CODE
from shared.kit.errors import LeadflowError

P = ParamSpec("P")
R = TypeVar("R")

RETRIED = frozenset({429, 502, 503, 504})
"""Answers that mean: not now. Everything Leadflow is sent carries its own id, so asking again is always safe."""

TOOK_TOO_LONG = "urn:leadflow:problem:took-too-long"

FIRST_CONTACT_SECONDS = 4.0
"""How long a service that never answered is tried: long enough for a restart, short enough for a person."""

MOST_COLUMNS = 30
"""How many of a file's columns an error shows."""

CREDENTIALS = {
    "capture": "LEADFLOW_CAPTURE_KEY",
    "scoring": "LEADFLOW_API_TOKEN",
    "pipeline": "LEADFLOW_API_TOKEN",
    "metrics": "LEADFLOW_API_TOKEN",
}


class CommandFailed(LeadflowError):
    """A command cannot go on. The message says what is wrong and what to do about it."""

    def __init__(self, problem: str, fix: str = "", *, exit_code: int = UNFINISHED_EXIT_CODE) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        self.exit_code = exit_code


class Refused(CommandFailed):
    """A service understood the request and said no. `problem_document` is its RFC 9457 answer."""

    def __init__(self, service: str, status: int, problem_document: Mapping[str, Any]) -> None:
        super().__init__(f"{service} refused the request ({status}): {problem_text(problem_document)}")
        self.status = status
        self.problem_document = problem_document


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """A command whose failures are printed as a sentence and a fix, and end with their exit code."""

    @functools.wraps(command)
    def with_errors_explained(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except LeadflowError as failure:
            console = Console(stderr=True)
            console.print(f"[bold red]Error:[/] {escape(str(failure))}", soft_wrap=True, highlight=False)
            if columns := getattr(failure, "columns", ()):
                console.print(f"Columns: {escape(', '.join(columns[:MOST_COLUMNS]))}", soft_wrap=True, highlight=False)
            if fix := getattr(failure, "fix", None):
                console.print(f"[bold]Fix:[/] {escape(fix)}", soft_wrap=True, highlight=False)
            raise typer.Exit(
                failure.exit_code if isinstance(failure, CommandFailed) else UNFINISHED_EXIT_CODE
            ) from failure

    return with_errors_explained


def problem_text(document: Mapping[str, Any]) -> str:
    """A problem document as one line: the field, its fault and the fix."""
    detail = str(document.get("detail") or document.get("title") or "no reason was given")
    field = document.get("field")
    fix = document.get("fix")
    named = f"{field}: {detail}" if field and not detail.startswith(str(field)) else detail
    return f"{named} ({fix})" if fix else named


class ServiceClient:
    """Requests to one service, several at once if the caller likes.

    `patience_seconds` bounds how long a service that once answered is waited for when it stops answering; `credential` is
    the variable that `token` came from, where it is not the service's usual one.
    Raises `Refused` for an answer that repeating cannot change, `CommandFailed` when patience has run out.
    """

    def __init__(
        self,
        name: str,
        url: str,
        token: str,
        *,
        patience_seconds: float = 30.0,
        connections: int = 16,
        timeout_seconds: float = 30.0,
        credential: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self._credential = credential or CREDENTIALS.get(name, "LEADFLOW_API_TOKEN")
        self._patience_seconds = patience_seconds
        self._sleep = sleep
        self._clock = clock
        self._answered_before = False
        self._client = httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(timeout_seconds, connect=5.0, pool=120.0),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=True,
            trust_env=False,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str, **params: Any) -> Any:
        """The JSON answer to a GET; parameters that are None are left out."""
        given = {name: value for name, value in params.items() if value is not None}
        return self._body(self._checked(await self.send("GET", path, params=given)))

    async def items(
        self, path: str, *, cursor: str = "cursor", following: str | None = None, **params: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """Everything that a list has, page by page. `cursor` is what the list calls the place where a page begins, `following`
        what it calls that of the next one, `next_<cursor>` where it is not said."""
        place = None
        while True:
            page = await self.get(path, **{**params, cursor: place})
            for item in page["items"]:
                yield item
            place = page[following or f"next_{cursor}"]
            if place is None:
                return

    async def post(self, path: str, document: Any, *, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON answer to a POST of a JSON document."""
        return self._body(self._checked(await self.send("POST", path, content=orjson.dumps(document), headers=headers)))

    async def put(self, path: str, document: Any, **params: Any) -> Any:
        """The JSON answer to a PUT of a JSON document."""
        content = orjson.dumps(document)
        return self._body(self._checked(await self.send("PUT", path, content=content, params=params)))

    async def post_file(
        self, path: str, file: Path, fields: Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The JSON answer to a POST of a form with a file, read from the disk while it is sent."""
        began, attempt = self._clock(), 0
        while True:
            attempt += 1
            try:
                with file.open("rb") as content:
                    response = await self._client.post(
                        path, files={"file": (file.name, content)}, data=dict(fields), headers=_in_utf8(headers)
                    )
            except httpx.TransportError as error:
                if not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                    raise CommandFailed(
                        f"{self.name} at {self.url} ended the connection while {file} was sent.",
                        "Is it larger than CAPTURE_UPLOAD_MAX_BYTES? Send it in parts, or packed with gzip; else run it again.",
                    ) from error
                if self._clock() - began >= FIRST_CONTACT_SECONDS:
                    raise self._unreachable(error) from error
                await self._sleep(backoff_seconds(attempt, None))
                continue
            except OSError as error:
                raise CommandFailed(f"{file} cannot be read: {error.strerror}.", "Give the path of a file.") from None
            if not _not_now(response) or self._clock() - began >= self._patience_seconds:
                return self._body(self._checked(response))
            await self._sleep(backoff_seconds(attempt, response.headers.get("Retry-After")))

    @asynccontextmanager
    async def streamed(self, path: str, params: Mapping[str, Any]) -> AsyncIterator[httpx.Response]:
        """The answer to a GET while it comes in. Raises `httpx.TransportError` where it is cut short, or nobody answers."""
        async with self._client.stream(
            "GET", path, params=params, timeout=httpx.Timeout(120.0, connect=5.0)
        ) as response:
            if response.status_code >= 400:
                await response.aread()
            yield self._checked(response)

    async def delete(self, path: str, **params: Any) -> Any:
        """The JSON answer to a DELETE, or None where there is none."""
        return self._body(self._checked(await self.send("DELETE", path, params=params)))

    async def send(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """The service's final answer, whatever its status; transient ones are retried, honouring Retry-After."""
        sent_headers = _in_utf8(
            {"Content-Type": "application/json", **(headers or {})} if content is not None else headers
        )
        began = self._clock()
        attempt = 0
        while True:
            attempt += 1
            try:
                response = await self._client.request(
                    method, path, content=content, headers=sent_headers, params=params or None
                )
            except httpx.TransportError as error:
                allowed = self._patience_seconds if self._answered_before else FIRST_CONTACT_SECONDS
                if self._clock() - began >= min(allowed, self._patience_seconds):
                    raise self._unreachable(error) from error
                await self._sleep(backoff_seconds(attempt, None))
                continue
            self._answered_before = True
            if not _not_now(response) or self._clock() - began >= self._patience_seconds:
                return response
            await self._sleep(backoff_seconds(attempt, response.headers.get("Retry-After")))

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if response.status_code < 400:
            return response
        if response.status_code in (401, 403):
            raise CommandFailed(
                f"{self.name} at {self.url} refused the credentials ({response.status_code}): "
                f"{problem_text(problem_of(response))}",
                f"Set {self._credential} to a key of this system, or run the command where .leadflow/credentials.env is.",
            )
        if _not_now(response):
            raise CommandFailed(
                f"{self.name} at {self.url} is up but cannot serve now ({response.status_code}): "
                f"{problem_text(problem_of(response))}",
                f"Look at {self.url}/readyz, then run the command again.",
            )
        raise Refused(self.name, response.status_code, problem_of(response))

    def check(self, response: httpx.Response) -> None:
        """Raises what a refused or unavailable request means to the person at the terminal."""
        self._checked(response)

    def _body(self, response: httpx.Response) -> Any:
        if not response.content:
            return None
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            raise CommandFailed(
                f"{self.url} answered something that is not JSON; it may not be Leadflow's {self.name} service.",
                f"Check LEADFLOW_{self.name.upper()}_URL.",
            ) from error

    def _unreachable(self, error: httpx.TransportError) -> CommandFailed:
        return CommandFailed(
            f"{self.name} is not reachable at {self.url} ({type(error).__name__}).",
            f"Start Leadflow with `make up`, or set LEADFLOW_{self.name.upper()}_URL to where it runs.",
        )


def _in_utf8(headers: Mapping[str, str] | None) -> httpx.Headers:
    return httpx.Headers(headers, encoding="utf-8")


def problem_of(response: httpx.Response) -> Mapping[str, Any]:
    """The problem document of an answer, or one made from its status when the answer is something else."""
    try:
        document = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        document = None
    return document if isinstance(document, dict) else {"detail": response.reason_phrase or "no reason was given"}


def _not_now(response: httpx.Response) -> bool:
    """Whether asking the same again may be answered otherwise: what took too long takes as long again."""
    return response.status_code in RETRIED and problem_of(response).get("type") != TOOK_TOO_LONG


def backoff_seconds(attempt: int, retry_after: str | None) -> float:
    """How long to wait before the next attempt: what the service asked for, else doubling up to 5 s, with jitter."""
    if retry_after is not None:
        try:
            return min(max(float(retry_after), 0.05), 60.0)
        except ValueError:
            pass  # an HTTP date: the services here send seconds
    return min(0.1 * float(2 ** min(attempt, 6)), 5.0) * random.uniform(0.7, 1.3)
