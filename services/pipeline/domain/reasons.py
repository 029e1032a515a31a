"""Why something ended: a word of the policy, and words of one's own where it says nothing by itself."""

from __future__ import annotations

from collections.abc import Collection

from services.pipeline.domain.refusals import Refused, unknown

OTHER = "other"


def known_reason(reason: str, choices: Collection[str], note: str | None) -> str:
    """The reason, if the policy lists it. `other` needs a note."""
    if reason not in choices:
        raise unknown("reason", tuple(choices))
    if reason == OTHER and not (note or "").strip():
        raise Refused(
            "The reason `other` needs a note.",
            kind="invalid",
            code="note-missing",
            field="note",
            fix="Say in `note` why, or send a reason of the policy.",
        )
    return reason
