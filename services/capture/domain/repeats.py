"""The same record again: whether it says what it said before, and where it does not."""

from __future__ import annotations

from collections.abc import Mapping

from services.capture.domain.values import unknown_field_flag

_OURS = frozenset(
    {
        *("event", "event_id", "correlation_id", "lead_id", "recorded_at", "schema_version", "sender"),
        *("flags", "identities", "mark", "mark_reasons", "as_sent", "suggestions"),
    }
)
"""What Leadflow adds by itself, or makes of what was said; identities and the lead are looked at apart."""

_SENT_AS = {"consents": "consent", "external": "external_id", "visitor": "visitor_id"}
_NOTHING: Mapping[str, object] = {}


def differences(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """The fields in which two events under one id, as they travel, say something else: names and never values.

    When it was recorded is no difference, nor when it happened where only the time of arrival says so.
    """
    names: dict[str, None] = {}
    for name in (before.keys() | now.keys()) - _OURS:
        one, other = before.get(name), now.get(name)
        if name == "occurred_at":
            one, other = _said_time(before), _said_time(now)
        if one == other:
            continue
        if name in ("personal", "attributes"):
            inner = _as_mapping(one), _as_mapping(other)
            names.update(dict.fromkeys(_inner(name, *inner)))
        else:
            names[_SENT_AS.get(name, name)] = None
    known, given = _tokens(before), _tokens(now)
    differing = [kind for kind in known.keys() | given.keys() if known.get(kind) != given.get(kind)]
    names.update((_SENT_AS.get(kind, kind), None) for kind in differing)
    if not differing and before["lead_id"] != now["lead_id"]:
        names["lead_id"] = None
    return sorted(names)


def _said_time(event: Mapping[str, object]) -> object:
    return None if event["occurred_at"] == event["recorded_at"] else event["occurred_at"]


def _inner(name: str, before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    changed = [one for one in before.keys() | now.keys() if before.get(one) != now.get(one)]
    if name == "attributes":
        # A name can be somebody's data; then it is not repeated.
        return [f"attributes.{one}" if unknown_field_flag(one) != "unknown_field" else name for one in changed]
    found: list[str] = []
    for one in changed:
        if one == "as_sent":
            # How it was written is a difference only where nothing was understood of it.
            sent = _as_mapping(before.get(one)), _as_mapping(now.get(one))
            not_understood = (sent[0].keys() | sent[1].keys()) - (before.keys() | now.keys())
            found += (field for field in not_understood if sent[0].get(field) != sent[1].get(field))
        elif one != "suggestions":
            found.append(one)
    return found


def _as_mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else _NOTHING


def _tokens(event: Mapping[str, object]) -> dict[str, object]:
    identities = event.get("identities")
    return {one["kind"]: one["token"] for one in identities} if isinstance(identities, list) else {}
