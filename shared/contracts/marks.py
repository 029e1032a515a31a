"""Marks: who sent themselves a test, who sent spam. The one rule by which scoring, pipeline and metrics hold a
lead out, so that they cannot disagree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

Mark = Literal["test", "spam"]
"""Why something is kept and shown but neither scored, qualified nor counted."""


class Marking(NamedTuple):
    """What is known of one lead id's mark, whatever order it was learned in.

    `marks` are those of its marked captures, `unmarked` says that one capture at least has none, `word` is the last that
    was said about the lead itself and `word_version` that saying's place in the lead's story, 0 where nothing was said.
    """

    marks: frozenset[Mark] = frozenset()
    unmarked: bool = False
    word: Mark | None = None
    word_version: int = 0

    @property
    def mark(self) -> Mark | None:
        """Why the lead is held out; None for one that counts.

        What was said about the lead holds, whatever is captured. While nothing was, it is held out as long as each of its
        captures is marked: one that passed every check shows somebody real, and a test too many in the numbers does less
        harm than a lead that nobody works. Of two reasons `test` is named, since somebody says that on purpose.
        """
        if self.word_version:
            return self.word
        if self.unmarked or not self.marks:
            return None
        return "test" if "test" in self.marks else "spam"

    @property
    def counts_marked_touches(self) -> bool:
        """Whether what was captured under a mark counts all the same: somebody said that the mark was a mistake."""
        return self.word_version > 0 and self.word is None

    def captured(self, mark: Mark | None) -> Marking:
        """After one more capture."""
        if mark is None:
            return self if self.unmarked else self._replace(unmarked=True)
        return self if mark in self.marks else self._replace(marks=self.marks | {mark})

    def said(self, word: Mark | None, version: int) -> Marking:
        """After a word about the lead itself; the one of the highest version is the last."""
        return self._replace(word=word, word_version=version) if version > self.word_version else self


UNMARKED = Marking(unmarked=True)
"""Almost every lead."""


def of_group(markings: Iterable[Marking]) -> Mark | None:
    """Why a whole person is held out: each of their ids is. Otherwise those ids are left out that are."""
    marks = [None if marking is UNMARKED else marking.mark for marking in markings]
    if not marks or None in marks:
        return None
    return "test" if "test" in marks else "spam"
