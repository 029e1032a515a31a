"""How the domain says no: what is wrong, in which state, and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal


class Refused(Exception):
    """A command that cannot be carried out. `conflict`: not in this state; `invalid`: not with these values; `forbidden`: not by
    whoever asks.

    The message and the fix name states, fields and the policy's own words, never a person's data.
    """

    def __init__(
        self,
        detail: str,
        *,
        kind: Literal["conflict", "invalid", "forbidden"],
        code: str,
        fix: str,
        field: str | None = None,
        state: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.kind = kind
        self.code = code
        self.fix = fix
        self.field = field
        self.state = state
        self.extra = dict(extra or {})


def illegal(command: str, state: str, fix: str) -> Refused:
    """A transition that does not exist from `state`."""
    detail = f"{command} is not possible: it is {state}."
    return Refused(detail, kind="conflict", code="illegal-transition", fix=fix, state=state)


def unknown(field: str, choices: tuple[str, ...]) -> Refused:
    """A value that the policy does not list."""
    listed = ", ".join(choices) or "none"
    return Refused(
        f"{field} is not one of the policy's: {listed}.",
        kind="invalid",
        code=f"unknown-{field.replace('_', '-')}",
        fix=f"Send one of: {listed}.",
        field=field,
    )


def taken(what: str, *, may_be_left_out: bool = False) -> Refused:
    """The id of an order or an opportunity is another lead's. One is given to whoever leaves it out, where that may be."""
    return Refused(
        f"Another lead of the business unit has an {what} of this id.",
        kind="conflict",
        code=f"{what}-exists",
        field=f"{what}_id",
        fix=f"Send another {what}_id{', or none to be given one' if may_be_left_out else ''}.",
    )
