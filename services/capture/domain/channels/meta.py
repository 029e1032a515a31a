"""Meta Lead Ads (Facebook and Instagram): notices of leads as Meta sends them, and their details as a relay brings them.

Meta's webhook tells only that a lead exists; its answers are fetched from the Graph API by somebody who may. So a notice
becomes a lead known by its `leadgen_id`, flagged `details_pending`; the details, delivered to the same address under the same
id, are another record of that lead, which joins what the notice began.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from services.capture.domain.channels.filling import text
from services.capture.domain.channels.records import DETAILS_PENDING, add, answers, draft, objects, unix_moment
from services.capture.domain.channels.terms import Answered, Delivery, Draft, Forged, Reading, Verified
from services.capture.domain.channels.verification import hex_signature, proven
from services.capture.domain.faults import Fault, describe
from services.capture.domain.terms import Refused
from shared.contracts.policy import Endpoint

_SAMPLE_ID = "444444444444"
"""The id in the sample that Meta's dashboard sends."""

_DUMMY = "<test lead:"
"""How Meta's testing tool begins its made-up answers."""

_PLACES = {"page_id": "page", "form_id": "form", "ad_id": "ad", "adgroup_id": "ad set", "adset_id": "ad set"}


def verify_meta(delivery: Delivery, secrets: Sequence[str], endpoint: Endpoint, now: datetime) -> Verified | Forged:
    """`X-Hub-Signature-256: sha256=…` over the raw body, by the app secret."""
    given = delivery.headers.get("x-hub-signature-256", "")
    if not given:
        return Forged("it lacks X-Hub-Signature-256")
    return proven(secrets, [given], lambda secret: f"sha256={hex_signature(secret, delivery.body)}")


def shake_hands(delivery: Delivery, secrets: Sequence[str]) -> Answered | Forged:
    """Meta asks with the verify token that it was given, and wants its challenge back."""
    token = delivery.query.get("hub.verify_token", "").encode()
    known = [hmac.compare_digest(token, secret.encode()) for secret in secrets]
    if delivery.query.get("hub.mode") != "subscribe" or not any(known):
        return Forged("hub.mode is not subscribe, or hub.verify_token is another one")
    return Answered(delivery.query.get("hub.challenge", "").encode(), "text/plain")


def read_meta(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """Every lead in a webhook, or in what the Graph API answers: one lead, or `{"data": […]}`."""
    content = delivery.content
    if isinstance(content, Mapping) and content.get("object") is not None:
        return [_lead(change, entry, endpoint) for entry, change in _leadgen_changes(content)]
    given = content.get("data") if isinstance(content, Mapping) and "data" in content else content
    leads = objects(given if isinstance(given, list) else [given])
    if leads is None or not all(objects(lead.get("field_data")) is not None or "leadgen_id" in lead for lead in leads):
        fix = "Send Meta's webhook as it is, or the lead as the Graph API answers it, with its field_data."
        return Refused((Fault("body", f"is {describe(content)} without leadgen changes or field_data", fix),))
    return [_lead(lead, {}, endpoint) for lead in leads]


def _leadgen_changes(content: Mapping[str, object]) -> Iterator[tuple[Mapping[str, object], Mapping[str, object]]]:
    for entry in objects(content.get("entry")) or ():
        for change in objects(entry.get("changes")) or ():
            value = change.get("value")
            if change.get("field") == "leadgen" and isinstance(value, Mapping):
                yield entry, value


def _lead(lead: Mapping[str, object], entry: Mapping[str, object], endpoint: Endpoint) -> Draft:
    identifier = text(lead.get("leadgen_id")) or text(lead.get("id"))
    given = objects(lead.get("field_data"))
    record: dict[str, object] = {
        "external_id": identifier or None,
        "source": "meta",
        "medium": "paid_social",
        "campaign": text(lead.get("campaign_name")) or text(lead.get("campaign_id")) or None,
        "content": text(lead.get("ad_name")) or text(lead.get("ad_id")) or None,
        "occurred_at": unix_moment(lead.get("created_time")),
        "attributes": {
            f"meta_{name}": value
            for name in (*_PLACES, "campaign_id", "adset_name", "form_name", "platform", "is_organic")
            if (value := lead.get(name)) is not None
        }
        | ({"meta_page_id": entry["id"]} if "id" in entry and "page_id" not in lead else {}),
    }
    flags = [] if given else [DETAILS_PENDING]
    made_up = identifier.startswith(_SAMPLE_ID)
    for answer in given or ():
        values = answer.get("values")
        said = answers(values if isinstance(values, list) else [answer.get("value")])
        made_up = made_up or text(said).startswith(_DUMMY)
        add(record, text(answer.get("name")) or "unnamed", said)
    key = None if not identifier else identifier if given else f"notice:{identifier}"
    return draft(record, endpoint, event="leadgen", key=key, flags=flags, is_test=made_up)
