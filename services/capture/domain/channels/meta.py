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
from services.capture.domain.channels.records import (
    DETAILS_PENDING,
    MAX_FAULTS,
    add,
    answers,
    draft,
    each,
    keep_unread,
    parts,
    rest,
    unix_moment,
)
from services.capture.domain.channels.terms import Answered, Delivery, Draft, Forged, Ignored, Reading, Verified
from services.capture.domain.channels.verification import hex_signature, proven
from services.capture.domain.faults import Fault, describe
from services.capture.domain.terms import Refused
from services.capture.domain.values import spelled_yes_or_no
from shared.contracts.policy import Endpoint

_SAMPLE_ID = "444444444444"
"""The id in the sample that Meta's dashboard sends."""

_DUMMY = "<test lead:"
"""How Meta's testing tool begins its made-up answers."""

_KEPT = (
    *("page_id", "form_id", "ad_id", "adgroup_id", "adset_id", "campaign_id"),
    *("adset_name", "form_name", "platform", "is_organic", "retailer_item_id"),
)
_TEXTS = ("leadgen_id", "id", "campaign_name", "ad_name", "created_time")
_OTHER_NEWS = frozenset({"messaging", "standby"})
"""What an entry has that tells of messages, not of changes."""

_FIX = "Send Meta's webhook as it is, or the lead as the Graph API answers it, with its field_data."


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
    """Every lead in a webhook, or in what the Graph API answers: one lead, or `{"data": […]}`. All of it can be read, or it
    is refused: only changes of other fields than `leadgen` say nothing of leads."""
    content = delivery.content
    faults: list[Fault] = []
    drafts: list[Draft] = []
    if isinstance(content, Mapping) and content.get("object") is not None:
        for where, entry, value in _leadgen_changes(content, faults):
            drafts.append(_lead(value, entry, where, endpoint, faults))
    elif isinstance(content, Mapping) and "data" not in content:
        drafts.append(_lead(content, {}, "body", endpoint, faults))
    else:
        name, given = ("data", content["data"]) if isinstance(content, Mapping) else ("body", content)
        for where, lead in each(given, name, _FIX, faults):
            drafts.append(_lead(lead, {}, where, endpoint, faults))
    if faults:
        return Refused(tuple(faults[:MAX_FAULTS]))
    return drafts or Ignored("nothing in it is about a lead")


def _leadgen_changes(
    content: Mapping[str, object], faults: list[Fault]
) -> Iterator[tuple[str, Mapping[str, object], Mapping[str, object]]]:
    for where, entry in each(content.get("entry"), "entry", _FIX, faults):
        if "changes" not in entry and not _OTHER_NEWS.isdisjoint(entry):
            continue
        for place, change in each(entry.get("changes"), f"{where}.changes", _FIX, faults):
            field, value = change.get("field"), change.get("value")
            if not isinstance(field, str) or not field:
                faults.append(Fault(f"{place}.field", f"is {describe(field)}, not the name of a field", _FIX))
            elif field == "leadgen" and isinstance(value, Mapping):
                yield f"{place}.value", entry, value
            elif field == "leadgen":
                faults.append(Fault(f"{place}.value", f"is {describe(value)}, not an object", _FIX))


def _lead(
    lead: Mapping[str, object], entry: Mapping[str, object], where: str, endpoint: Endpoint, faults: list[Fault]
) -> Draft:
    identifier = text(lead.get("leadgen_id")) or text(lead.get("id"))
    given, unread = parts(lead.get("field_data"), f"{where}.field_data", _FIX, faults)
    if (
        not faults
        and not given
        and not (identifier and (entry or "leadgen_id" in lead or lead.get("field_data") == []))
    ):
        faults.append(Fault(where, "has neither leadgen_id nor field_data", _FIX))
    record: dict[str, object] = {
        "external_id": identifier or None,
        "source": "meta",
        "medium": "paid_social",
        "campaign": text(lead.get("campaign_name")) or text(lead.get("campaign_id")) or None,
        "content": text(lead.get("ad_name")) or text(lead.get("ad_id")) or None,
        "occurred_at": unix_moment(lead.get("created_time")),
        "attributes": {f"meta_{name}": value for name in _KEPT if (value := lead.get(name)) is not None}
        | ({"meta_page_id": entry["id"]} if "id" in entry and "page_id" not in lead else {}),
    }
    made_up = identifier.startswith(_SAMPLE_ID)
    for answer in given:
        values = answer.get("values", answer.get("value"))
        said = answers(values if isinstance(values, list) else [values])
        made_up = made_up or text(said).startswith(_DUMMY)
        add(record, text(answer.get("name")) or "unnamed", said)
    consents, odd = _consents(lead.get("custom_disclaimer_responses"), where, faults)
    if consents:
        record["consent"] = consents
    record |= rest(lead, "meta", texts=_TEXTS, read=(*_KEPT, "field_data", "custom_disclaimer_responses"))
    flags = keep_unread(record, "meta", [*unread, *odd])
    if not given and not unread:
        flags.append(DETAILS_PENDING)
    key = None if not identifier else f"notice:{identifier}" if DETAILS_PENDING in flags else identifier
    return draft(record, endpoint, event="leadgen", key=key, flags=flags, is_test=made_up)


def _consents(value: object, where: str, faults: list[Fault]) -> tuple[list[dict[str, object]], list[object]]:
    """What was ticked of the boxes that an advertiser adds to a form, and what of it cannot be read. A box that is not
    ticked is a no."""
    boxes, unread = parts(value, f"{where}.custom_disclaimer_responses", _FIX, faults)
    consents: list[dict[str, object]] = []
    for box in boxes:
        key, ticked = text(box.get("checkbox_key")), box.get("is_checked")
        granted = False if ticked == "" else spelled_yes_or_no(ticked)
        if not key or granted is None:
            unread.append(box)
        else:
            consents.append({"purpose": f"meta disclaimer {key}", "granted": granted})
    return consents, unread
