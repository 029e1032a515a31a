"""From scoring's own database to examples, held as columns so that memory stays bounded by a number that is known before."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from services.scoring import storage
from services.scoring.domain.model import Cell, Example, History, examples, refuse_leak
from services.scoring.domain.model.features import ALWAYS, DID
from shared.contracts.policy.learning import Learning
from shared.kit.database import Database, Transaction

MOST_PEOPLE = 30_000
"""From more a fair share is taken: more of them teach next to nothing, and memory ends."""

MOST_FEATURES = 300
"""What every lead has, what was done, and of the rest what is known of most: a model has no more features than these."""

MOST_COLUMNS = 400
"""So many names are held while it is not known yet which of them are frequent."""

PAGE = 500
GUARDED_EVERY = 20
"""Every so many people are looked at by the guard against leaks, the first among them."""


@dataclass(slots=True)
class Examples:
    """Examples as columns. `people` numbers the person of each, since the rows of one belong together."""

    columns: dict[str, list[Cell]] = field(default_factory=dict)
    followed: list[bool] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    _known: Counter[str] = field(default_factory=Counter)
    _since: dict[str, int] = field(default_factory=dict)
    _roots: dict[UUID, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.followed)

    def add(self, example: Example) -> None:
        """One more."""
        size = len(self.followed)
        for name, value in example.features.items():
            column = self.columns.get(name)
            if column is None:
                if name in self.refused:
                    continue
                if len(self.columns) >= MOST_COLUMNS:
                    self._thin()
                column = self.columns[sys.intern(name)] = []
                self._since[name] = size
            self._known[name] += 1
            column.extend([None] * (size - len(column)))
            column.append(sys.intern(value) if isinstance(value, str) else value)
        self.followed.append(example.followed)
        self.moments.append(example.moment)
        self.people.append(self._roots.setdefault(example.root_id, len(self._roots)))

    def _thin(self, *, closing: bool = False) -> None:
        """Refuses for good the seldom ones of those that not every lead has: seldom since they came, or, at the end, at all."""

        def rank(name: str) -> tuple[bool, bool, float, str]:
            seen = len(self.followed) + 1 - self._since[name]
            return name not in ALWAYS, not name.startswith(DID), -self._known[name] / (1 if closing else seen), name

        for name in sorted(self.columns, key=rank)[MOST_FEATURES:]:
            del self.columns[name], self._known[name], self._since[name]
            self.refused.add(name)

    def close(self) -> None:
        """The most frequent columns, each as long as there are examples."""
        self._thin(closing=True)
        for column in self.columns.values():
            column.extend([None] * (len(self.followed) - len(column)))

    def row(self, index: int) -> dict[str, Cell]:
        """The features of one example."""
        return {name: column[index] for name, column in self.columns.items()}

    def some(self, indexes: Sequence[int]) -> Iterator[tuple[str, list[Cell]]]:
        """The columns of some of them."""
        for name, column in self.columns.items():
            yield name, [column[index] for index in indexes]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to gather: for which unit, None for all; until when; how old at most; whether imported leads teach. A lead teaches
    only what the rules `of` its own unit let it teach as well."""

    business_unit: str | None
    until: datetime
    history_days: int
    imported: bool
    of: Callable[[str], Learning]


@dataclass(slots=True)
class Gathered:
    """The examples of each outcome, and how many people were looked at and why some of them teach nothing."""

    examples: dict[str, Examples]
    people: int = 0
    one_in: int = 1
    held_out: int = 0
    unknown_since: int = 0
    imported: int = 0
    turned_off: int = 0


async def gather(database: Database, wanted: Wanted, horizons: dict[str, timedelta]) -> Gathered:
    """Examples for each outcome with its horizon. Raises `Leak` where a feature knows what came after its moment."""
    people = await database.run(lambda tx: storage.people_count(tx, wanted.business_unit), deadline_seconds=60)
    found = Gathered({outcome: Examples() for outcome in horizons}, one_in=max(1, -(-people // MOST_PEOPLE)))
    after: UUID | None = None
    while True:
        page, after = await database.run(_page(wanted, after, found.one_in), deadline_seconds=60)
        for history in page:
            _take(history, wanted, horizons, found)
        if after is None:
            break
    for one in found.examples.values():
        one.close()
    return found


def _page(
    wanted: Wanted, after: UUID | None, one_in: int
) -> Callable[[Transaction], Awaitable[tuple[list[History], UUID | None]]]:
    async def read(tx: Transaction) -> tuple[list[History], UUID | None]:
        await storage.in_snapshot(tx)
        return await storage.histories(tx, after, PAGE, business_unit=wanted.business_unit, one_in=one_in)

    return read


def _take(history: History, wanted: Wanted, horizons: dict[str, timedelta], found: Gathered) -> None:
    found.people += 1
    if history.mark is not None:
        found.held_out += 1
        return
    own = wanted.of(history.business_unit)
    if not own.enabled:
        found.turned_off += 1
        return
    if not history.teaches:
        found.unknown_since += 1
        return
    if history.imported and not (wanted.imported and own.imported_history):
        found.imported += 1
        return
    oldest = wanted.until - timedelta(days=wanted.history_days)
    for outcome, horizon in horizons.items():
        for example in examples(history, outcome, horizon, wanted.until):
            if example.moment >= oldest:
                if found.people % GUARDED_EVERY == 1:
                    refuse_leak(history, example.moment)
                found.examples[outcome].add(example)
