"""What an ETag says: which version somebody has read, and whether what they would read now is any other.

It has two parts, `W/"version~shown"`. The version is that of what commands change, and all that `If-Match` compares. `shown` is of all
that the answer says but for `MOVING`, which time alone moves: an answer 304 says nothing of those. That is why it is weak.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson

MOVING = frozenset({"seconds_in_status", "seconds_in_stages", "seconds"})
"""How long something has lasted so far: whoever knows since when knows it."""


def version_of(lead_id: Any, version: int, merged: Iterable[Any]) -> str:
    """The version of a lead and all ids merged into it. Versions of ids only grow, so their sum comes again for no same ids; for
    others, as when one is parted, it can, and they are told apart by which they are."""
    ids = ",".join(sorted(map(str, merged)))
    which = f".{blake2b(ids.encode(), digest_size=6).hexdigest()}" if ids else ""
    return f"{lead_id}.{version}{which}"


def version_in(lead: Mapping[str, Any]) -> str:
    """The same of a lead as it is shown."""
    return version_of(lead["lead_id"], lead["version"], lead["merged_lead_ids"])


def version_among(root_id: UUID, members: Collection[Any]) -> str:
    """The same of a lead's rows."""
    merged = [member.lead_id for member in members if member.lead_id != root_id]
    return version_of(root_id, sum(member.version for member in members), merged)


def etag(version: str, document: Mapping[str, Any] | None = None) -> str:
    """The header of an answer that shows `document`, or of one that only says which version there is."""
    if document is None:
        return f'"{version}"'
    shown = orjson.dumps(_still(document), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    return f'W/"{version}~{blake2b(shown, digest_size=8).hexdigest()}"'


def names(if_match: str | None, version: str) -> bool:
    """Whether an If-Match holds for a version: any does where none is named, and `*` is any."""
    if if_match is None or if_match.strip() == "*":
        return True
    tags = (one.strip().removeprefix("W/").strip('"') for one in if_match.split(","))
    return version in {tag.partition("~")[0] for tag in tags}


def _still(shown: Any) -> Any:
    if isinstance(shown, Mapping):
        return {str(name): _still(value) for name, value in shown.items() if name not in MOVING}
    return [_still(one) for one in shown] if isinstance(shown, list | tuple) else shown
