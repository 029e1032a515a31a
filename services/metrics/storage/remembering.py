"""What people were last known to count as. Their facts are there for ever, so what follows from them need not be read and worked
out with each further one; how many there are says the database, under the lock of their group."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from services.metrics.domain.folding import Story

MOST_FACTS = 16_384
MOST_FACTS_OF_ONE = 64
"""Whose story is longer has it read each time."""


class Held(NamedTuple):
    """How many facts of each lead there are, and in which file of the database: a rebuild, for one, puts another in its place."""

    table: int
    facts: Mapping[UUID, int]


class Kept(NamedTuple):
    """A story, and the table that its facts are in."""

    table: int
    story: Story


class Memory:
    """The stories of those of whom something was told last. Only what is committed is kept; facts are added and never changed, so
    as many facts in the same table are the same ones."""

    def __init__(self, most_facts: int = MOST_FACTS) -> None:
        self._most_facts = most_facts
        self._facts = 0
        self.stories: OrderedDict[UUID, Kept] = OrderedDict()

    def find(self, groups: Mapping[UUID, Iterable[UUID]], held: Held) -> dict[UUID, Story]:
        """The stories of these people, members by root, of whom the database holds just what it held of them."""
        found: dict[UUID, Story] = {}
        for root, members in groups.items():
            kept = self.stories.get(root)
            if kept is None or kept.table != held.table:
                continue
            facts = kept.story.facts
            there = {lead.int: held.facts[lead] for lead in members if lead in held.facts}
            if Counter([fact.lead_id.int for fact in facts]) == there:
                found[root] = kept.story
        return found

    def keep(self, table: int, stories: Mapping[UUID, Story]) -> None:
        """What people count as by the facts that the table has now."""
        for root, story in stories.items():
            self.forget(root)
            if 0 < len(story.facts) <= MOST_FACTS_OF_ONE:
                self.stories[root] = Kept(table, story)
                self._facts += len(story.facts)
        while self._facts > self._most_facts:
            self.forget(next(iter(self.stories)))

    def forget(self, root: UUID) -> None:
        """Lets somebody's story go."""
        kept = self.stories.pop(root, None)
        if kept is not None:
            self._facts -= len(kept.story.facts)
