"""What is kept to learn from."""

from __future__ import annotations

from typing import Literal

from shared.contracts.envelope import Name
from shared.contracts.policy.section import Section


class Learning(Section):
    """Whether anything is kept for models to learn from beside what rules look at, and which `attributes`: those named, or
    all that are plain values and tell nobody's name."""

    enabled: bool = True
    attributes: Literal["all"] | tuple[Name, ...] = "all"
