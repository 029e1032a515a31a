"""HTML forms: fields as a browser sends them, without or with the first-party script."""

from __future__ import annotations

from typing import cast

from services.capture.domain.channels.filling import filled
from services.capture.domain.channels.terms import Delivery, Draft, File, FormFields, Reading
from shared.contracts.policy import Endpoint

SPAM_SUSPECTED = "spam_suspected"
FILE_NOT_KEPT = "file_not_kept"


def read_form(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """A lead, or an interaction where the form names a `kind`. Boxes of one name are a list. A filled honeypot is a mark:
    people do not see that field."""
    flags: list[str] = []
    fields: dict[str, object] = {}
    for name, value in cast(FormFields, delivery.content):
        if name == endpoint.honeypot:
            if value:
                flags.append(SPAM_SUSPECTED)
            continue
        if isinstance(value, File):
            if not value.filename:
                continue
            flags.append(FILE_NOT_KEPT)
            value = value.filename
        if value != "" and name != "":
            earlier = fields.get(name)
            fields[name] = (
                value if earlier is None else [*earlier, value] if isinstance(earlier, list) else [earlier, value]
            )
    body = filled(fields, endpoint)
    kind = body.get("kind")
    noted = tuple(dict.fromkeys(flags))
    if isinstance(kind, str):
        return [Draft("interaction", body, None, noted)]
    return [Draft("lead", body, None, noted)]
