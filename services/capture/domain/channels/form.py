"""HTML forms: fields as a browser sends them, without or with the first-party script."""

from __future__ import annotations

from typing import cast

from services.capture.domain.channels.filling import filled, text
from services.capture.domain.channels.terms import Delivery, Draft, File, FormFields, Reading
from services.capture.domain.fields import INTERACTION_TEXTS, LEAD_TEXTS
from shared.contracts.policy import Endpoint

FILE_NOT_KEPT = "file_not_kept"
SECONDS = "leadflow_seconds"
"""The script's own field: how long the form was filled."""

SUBMISSION = "leadflow_submission"
"""The script's own field: one id a submission, so that a double click is one lead."""

_NOT_FOR_VISITORS = frozenset(
    {"channel", "historical", "lead_id", "occurred_at", "record_id", "retracts", "retracts_event_id", "test"}
)
"""What is for senders to say, not for whoever fills a form."""

_OURS = (LEAD_TEXTS.keys() | INTERACTION_TEXTS.keys() | {"kind"}) - {"business_unit"}


def read_form(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """A lead, or an interaction where the form names a `kind`. Boxes of one name are a list. A filled honeypot is a mark:
    people do not see that field."""
    flags: list[str] = []
    fields: dict[str, object] = {}
    trapped = False
    for name, value in cast(FormFields, delivery.content):
        if name == endpoint.honeypot:
            trapped = trapped or value not in (None, "")
            continue
        if isinstance(value, File):
            if value.filename:
                flags.append(FILE_NOT_KEPT)
                _add(fields, name, value.filename)
        else:
            _add(fields, name, value)
    seconds = _seconds(fields.pop(SECONDS, None))
    record_id = text(fields.pop(SUBMISSION, None)) or None
    for header, ours in (("referer", "url"), ("user-agent", "user_agent")):
        if ours not in fields and header in delivery.headers:
            fields[ours] = delivery.headers[header]
    for name in _NOT_FOR_VISITORS & fields.keys():
        fields[f"attributes.{name}"] = fields.pop(name)
    body = filled(fields, endpoint)
    for name in [name for name, value in body.items() if isinstance(value, list) and name in _OURS]:
        body[name], *others = cast(list[object], body[name])
        body[f"attributes.other_{name}"] = others
    return [
        Draft(
            "interaction" if text(body.get("kind")) else "lead",
            body,
            record_id,
            tuple(dict.fromkeys(flags)),
            hidden_field_filled=trapped,
            filled_in_seconds=seconds,
        )
    ]


def _add(fields: dict[str, object], name: str, value: object) -> None:
    if name == "" or value in (None, "", []):
        return
    earlier = fields.get(name)
    fields[name] = value if earlier is None else [*earlier, value] if isinstance(earlier, list) else [earlier, value]


def _seconds(value: object) -> float | None:
    try:
        seconds = float(text(value))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e9 else None
