"""Where the microseconds of a fold go: this process by layer, the database by statement, and both by kind of event."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson

from services.metrics import handlers
from services.metrics.domain import folding, rollups
from services.metrics.storage import folding as storage
from services.metrics.storage import remembering
from shared.kit import database, processing
from shared.kit.app import settled_memory
from shared.kit.database import Database, Transaction
from tests.load.replaying import AT_ONCE, WARM_UP, Raw, Service, each
from tests.load.stage import Stage

LAYERS: Mapping[str, Sequence[tuple[Any, str]]] = {
    "parse": ((processing.BatchProcessor, "_parsed"),),
    "events as facts": ((handlers, "fact_of"),),
    "facts and people remembered or read": ((remembering.Memory, "find"), (storage, "read_fact")),
    "contributions": ((folding, "contributions_by"),),
    "difference of entries": ((rollups.Delta, "change"),),
    "sums": ((rollups.Delta, "sum_up"),),
    "sketches": ((storage, "weigh"),),
    "rows": ((storage, "entry_rows"),),
    "rows as JSON and CSV": ((database, "as_csv"), (database, "as_json"), (storage, "as_array")),
}
"""Functions by layer; what one calls of another layer counts there."""

CLIENT, REST, COMMIT, BESIDE = (
    "client and driver",
    "handler and the rest",
    "commit",
    "written behind (all other processes)",
)


class Stopwatch:
    """Seconds by what is being done: of the innermost thing that is timed."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._doing: list[str] = []
        self._since = time.process_time_ns()

    def _note(self) -> None:
        now = time.process_time_ns()
        self.spent[self._doing[-1] if self._doing else REST] += now - self._since
        self._since = now

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Times what is done within."""
        self._note()
        self._doing.append(what)
        try:
            yield
        finally:
            self._note()
            self._doing.pop()

    def timed(self, function: Callable[..., Any], what: str) -> Callable[..., Any]:
        """A function that is timed."""

        def wrapper(*given: Any, **named: Any) -> Any:
            self._note()
            self._doing.append(what)
            try:
                return function(*given, **named)
            finally:
                self._note()
                self._doing.pop()

        return wrapper


Layers = Mapping[str, Mapping[str, float]]


async def by_layer(stage: Stage, service: Service, batches: Sequence[Sequence[Raw]]) -> Layers:
    """Microseconds an event of this process by layer and of the database by statement, after the warm-up."""
    watch, statements = Stopwatch(), Counter[str]()
    store = Database(stage.databases.migrated(), schema=service.name, pool_size=1)
    (backend,) = await store.rows("SELECT pg_backend_pid() AS pid")
    run, copy = Transaction._run, Transaction.copy

    def spent() -> int:
        return int(Path(f"/proc/{backend.pid}/schedstat").read_text().split()[0])

    async def timed_run(self: Transaction, statement: Any, parameters: Any) -> Any:
        before = spent()
        with watch.doing(CLIENT):
            result = await run(self, statement, parameters)
        statements[_named(str(statement))] += spent() - before
        return result

    async def timed_copy(self: Transaction, table: str, columns: Any, rows: Sequence[Any]) -> None:
        before = spent()
        with watch.doing(CLIENT):
            await copy(self, table, columns, rows)
        statements[f"COPY {table}"] += spent() - before

    warm = max(1, int(len(batches) * WARM_UP))
    events = sum(map(len, batches[warm:]))
    with ExitStack() as stack:
        stack.enter_context(patch.object(Transaction, "_run", timed_run))
        stack.enter_context(patch.object(Transaction, "copy", timed_copy))
        for layer, functions in LAYERS.items():
            for owner, name in functions:
                stack.enter_context(patch.object(owner, name, watch.timed(getattr(owner, name), layer)))
        processor = service.processor(store)
        await each(batches[:warm], processor.process)
        stack.enter_context(settled_memory())
        watch.spent.clear()
        statements.clear()
        begun, all_begun = spent(), stage.processor_seconds()["postgres"]
        await each(batches[warm:], processor.process)
        watch._note()
        statements[COMMIT] = spent() - begun - statements.total()
        statements[BESIDE] = int((stage.processor_seconds()["postgres"] - all_begun) * 1e9) - (spent() - begun)
    await store.close()
    return {
        "own": {name: ns / events / 1e3 for name, ns in watch.spent.most_common()},
        "PostgreSQL": {name: ns / events / 1e3 for name, ns in statements.most_common()},
    }


async def by_kind(
    stage: Stage, service: Service, batches: Sequence[Sequence[Raw]]
) -> dict[str, tuple[int, float, float]]:
    """How many events there are of each kind, and the microseconds of this process and of the database for one, where a batch has one
    kind alone: what comes first of a story first, so that all else is about people who are known."""
    kinds: dict[str, list[Raw]] = {}
    places: Counter[int] = Counter()
    for raw in (raw for batch in batches for raw in batch):
        kinds.setdefault(orjson.loads(raw.value)["event"], []).append(raw)
    store = service.database(stage.databases.migrated())
    processor = service.processor(store)
    found: dict[str, tuple[int, float, float]] = {}
    with settled_memory():
        for kind, told in sorted(kinds.items(), key=lambda one: (one[0] != "LeadCreated", -len(one[1]))):
            own, postgres = time.process_time(), stage.processor_seconds()["postgres"]
            for at in range(0, len(told), AT_ONCE):
                batch = []
                for raw in told[at : at + AT_ONCE]:
                    batch.append(raw._replace(offset=places[raw.partition]))
                    places[raw.partition] += 1
                await processor.process(batch)
            own, postgres = time.process_time() - own, stage.processor_seconds()["postgres"] - postgres
            found[kind] = len(told), own / len(told) * 1e6, postgres / len(told) * 1e6
    await store.close()
    return found


def _named(statement: str) -> str:
    """A statement by what it does to which table."""
    words = statement.split()
    tables = [word.strip("(),") for word in words if word.startswith("metrics.")]
    return f"{words[0]} {tables[0] if tables else ' '.join(words[1:3])}"
