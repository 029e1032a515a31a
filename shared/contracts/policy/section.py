"""What every section of the policy shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict


def refuse_twice(what: str, names: Iterable[str]) -> None:
    """Raises `ValueError` where a name is given twice."""
    for name, times in Counter(names).items():
        if times > 1:
            raise ValueError(f"{what} {name!r} is there {times} times; each one needs a name of its own")


class Section(BaseModel):
    """A part of the policy. A word it does not know is an error, so that a slip of the pen cannot pass unseen."""

    model_config = ConfigDict(frozen=True, extra="forbid")
