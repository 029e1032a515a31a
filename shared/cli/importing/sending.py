"""Rows in, requests out: chunks of bounded size, several in flight, acknowledged in the order of the file."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import orjson

from shared.cli.http import RETRIED, CommandFailed, ServiceClient, backoff_seconds, problem_of, problem_text
from shared.cli.importing.state import ImportState, Progress, RejectedReport, Rejection
from shared.tabular.converting import Converter
from shared.tabular.source import Position, Row

CHUNK_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Item:
    """One event of a chunk: the row it came from and its JSON."""

    row: Row
    body: bytes


@dataclass(slots=True)
class Chunk:
    """Neighbouring rows that are sent together, and those among them that cannot be."""

    items: list[Item] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    after: Position = field(default_factory=Position)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the service said to one chunk."""

    accepted: int
    duplicates: int
    rejections: tuple[Rejection, ...]


class Destination(Protocol):
    """Where chunks go."""

    async def deliver(self, items: Sequence[Item]) -> Outcome:
        """The service's answer for every item. Raises `CommandFailed` when it cannot be had."""
        ...


def chunks(rows: Iterable[Row], convert: Converter, *, max_items: int) -> Iterator[Chunk]:
    """Rows as chunks of at most `max_items` events and about a mebibyte."""
    chunk = Chunk()
    for row in rows:
        made = convert(row)
        bodies = [orjson.dumps(each.document) for each in made if each.fault is None]
        size = sum(map(len, bodies))
        if chunk.rows and (len(chunk.items) + len(bodies) > max_items or chunk.bytes + size > CHUNK_MAX_BYTES):
            yield chunk
            chunk = Chunk()
        chunk.items += [Item(row, body) for body in bodies]
        chunk.rejections += [Rejection(row, each.fault) for each in made if each.fault is not None]
        chunk.rows += len(row.all)
        chunk.bytes += size
        chunk.after = row.after
    if chunk.rows:
        yield chunk


async def run_import(
    source_chunks: Iterator[Chunk],
    destination: Destination,
    *,
    state: ImportState,
    report: RejectedReport,
    begun: Progress,
    in_flight: int,
    on_progress: Callable[[Progress], None],
) -> Progress:
    """Sends every chunk; progress is kept in the order of the file, so that what is kept was all answered."""
    progress = begun
    waiting: deque[tuple[Chunk, asyncio.Task[Outcome]]] = deque()

    async def acknowledge() -> None:
        nonlocal progress
        chunk, task = waiting[0]
        outcome = await task
        waiting.popleft()
        refused = sorted((*chunk.rejections, *outcome.rejections), key=lambda each: each.row.line)
        report.add(refused)
        progress = replace(
            progress,
            position=chunk.after,
            rows=progress.rows + chunk.rows,
            sent=progress.sent + len(chunk.items),
            accepted=progress.accepted + outcome.accepted,
            duplicates=progress.duplicates + outcome.duplicates,
            rejected_lines=progress.rejected_lines + len({row.line for each in refused for row in each.row.all}),
            report_bytes=report.bytes,
        )
        state.save(progress)
        on_progress(progress)

    try:
        for chunk in source_chunks:
            waiting.append((chunk, asyncio.create_task(destination.deliver(chunk.items))))
            if len(waiting) >= in_flight:
                await acknowledge()
            else:
                await asyncio.sleep(0)
        while waiting:
            await acknowledge()
    finally:
        for _, task in waiting:
            task.cancel()
        await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)
    state.forget()
    return progress


class CaptureDestination:
    """Leads, through `POST /v1/leads:batch`; items that capture could not take for the moment are sent again."""

    def __init__(self, client: ServiceClient, sender: str, *, patience_seconds: float) -> None:
        self._client = client
        self._headers = {"Leadflow-Sender": sender}
        self._attempts = max(int(patience_seconds / 2), 3)

    async def deliver(self, items: Sequence[Item]) -> Outcome:
        """One answer per lead."""
        accepted, rejections, left = 0, list[Rejection](), list(items)
        for attempt in range(1, self._attempts + 1):
            if not left:
                return Outcome(accepted, 0, tuple(rejections))
            if attempt > 1:
                await asyncio.sleep(backoff_seconds(attempt, None))
            answers = await self._answers(left)
            again = [item for item, (status, _) in zip(left, answers, strict=True) if status in RETRIED]
            accepted += sum(status < 400 for status, _ in answers)
            rejections += [
                Rejection(item.row, reason)
                for item, (status, reason) in zip(left, answers, strict=True)
                if status >= 400 and status not in RETRIED
            ]
            left = again
        raise CommandFailed(
            f"capture kept answering that {len(left)} leads cannot be taken for the moment.",
            f"Look at {self._client.url}/readyz, then run the import again: it goes on where it stopped.",
        )

    async def _answers(self, items: Sequence[Item]) -> list[tuple[int, str]]:
        body = b"[" + b",".join(item.body for item in items) + b"]"
        response = await self._client.send("POST", "/v1/leads:batch", content=body, headers=self._headers)
        if response.status_code == 413:
            return await self._halves(items, problem_text(problem_of(response)))
        document = _batch_answer(self._client, response)
        answers: list[tuple[int, str]] = [(0, "")] * len(items)
        for each in document["items"]:
            reason = problem_text(each.get("problem") or {}) if each["status"] >= 400 else ""
            answers[each["index"]] = (each["status"], reason)
        if any(status == 0 for status, _ in answers):
            raise CommandFailed(
                f"{self._client.url} did not answer for every lead of a batch.", "Check LEADFLOW_CAPTURE_URL."
            )
        return answers

    async def _halves(self, items: Sequence[Item], reason: str) -> list[tuple[int, str]]:
        if len(items) == 1:
            return [(413, reason)]
        middle = len(items) // 2
        return [*await self._answers(items[:middle]), *await self._answers(items[middle:])]


class HistoryDestination:
    """History, through pipeline's `POST /v1/history:batch`, which answers for the rejected rows only."""

    def __init__(self, client: ServiceClient, sender: str) -> None:
        self._client = client
        self._sender = sender

    async def deliver(self, items: Sequence[Item]) -> Outcome:
        """How many rows were new, how many known, and those refused."""
        if not items:
            return Outcome(0, 0, ())
        rows = b",".join(item.body for item in items)
        body = b'{"sender":' + orjson.dumps(self._sender) + b',"rows":[' + rows + b"]}"
        response = await self._client.send("POST", "/v1/history:batch", content=body)
        if response.status_code == 413 and len(items) > 1:
            middle = len(items) // 2
            first, second = await self.deliver(items[:middle]), await self.deliver(items[middle:])
            return Outcome(
                first.accepted + second.accepted,
                first.duplicates + second.duplicates,
                first.rejections + second.rejections,
            )
        document = _batch_answer(self._client, response)
        rejections = [Rejection(items[each["index"]].row, _named_reason(items, each)) for each in document["items"]]
        return Outcome(int(document["accepted"]), int(document.get("duplicates", 0)), tuple(rejections))


def _named_reason(items: Sequence[Item], answer: dict[str, Any]) -> str:
    event = orjson.loads(items[answer["index"]].body).get("event")
    return f"{event}: {problem_text(answer.get('problem') or {})}"


def _batch_answer(client: ServiceClient, response: Any) -> dict[str, Any]:
    """A batch's answer, whether all, some or none of it was taken; anything else ends the command."""
    document = problem_of(response)
    if isinstance(document.get("items"), list):
        return dict(document)
    client.check(response)
    raise CommandFailed(
        f"{client.url} answered a batch with something that is no batch answer.",
        f"Check LEADFLOW_{client.name.upper()}_URL.",
    )
