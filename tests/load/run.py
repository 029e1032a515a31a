"""What every part is told about the run it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Broker(StrEnum):
    """What the log is kept by."""

    APACHE = "apache"
    EMBEDDED = "embedded"


class NotInstalled(Exception):
    """Something that a part is measured with is not on this machine; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Run:
    """`quick` is a look, not a measurement; `say` tells how far a part is; in the folder `keep` a part may leave what took long to
    make, for the next time."""

    quick: bool
    broker: Broker
    say: Callable[[str], None]
    keep: Path | None = None
