"""What the decisions about one place come to: which model goes on when one is taken back, and whether trainings may decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

DecisionKind = Literal["activated", "rolled_back"]


class Decision(NamedTuple):
    """From then on this version spoke, or none."""

    kind: DecisionKind
    version: str | None


def spoke_before(decisions: Sequence[Decision]) -> str | None:
    """What spoke before the model that speaks after these decisions, in their order; None for rules alone. What was taken
    back is not come back to: taking back again goes on to the one before."""
    stack: list[str | None] = []
    for kind, version in decisions:
        if kind == "activated":
            if not stack or stack[-1] != version:
                stack.append(version)
            continue
        while stack:
            stack.pop()
            if stack and stack[-1] == version:
                break
        if not stack and version is not None:
            stack.append(version)
    return stack[-2] if len(stack) > 1 else None


def is_held(decisions: Sequence[Decision]) -> bool:
    """Whether the last word was that of somebody who took a model back or silenced it: until a person activates one, no
    training does."""
    return bool(decisions) and (decisions[-1].kind == "rolled_back" or decisions[-1].version is None)
