"""LinkedIn lead sync: notices of leads as LinkedIn pushes them, and their answers as a relay brings them.

LinkedIn, too, tells only that a lead exists. As with Meta, its notice is a lead known by the response's id, flagged
`details_pending`, and the response itself, delivered to the same address, joins it. A lead that LinkedIn deleted is told of
as an interaction: what is to be erased, a person decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from services.capture.domain.channels.filling import text
from services.capture.domain.channels.records import (
    DETAILS_PENDING,
    MAX_FAULTS,
    UNKNOWN_EVENT,
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
from shared.contracts.policy import Endpoint

WITHDRAWN = "lead_withdrawn"
_PREFIX = "hmacsha256="
_CHALLENGE = re.compile(r"[A-Za-z0-9-]{1,100}")
_FIX = "Send LinkedIn's notice, with leadGenFormResponse, or the response, with formResponse, as they are."
_ABOUT_LEADS = "LEAD_ACTION"
_TEXTS = ("leadType", "leadGenForm", "versionedLeadGenFormUrn")
_OF_NOTICES = ("type", "leadGenFormResponse", "leadAction", "occurredAt")
_READ = ("owner", "associatedEntity", "submitter", "leadMetadata.sponsoredLeadMetadata.campaign")
_LAST_NUMBER = re.compile(r"([^:(),]+)\)?$")


def verify_linkedin(delivery: Delivery, secrets: Sequence[str], endpoint: Endpoint, now: datetime) -> Verified | Forged:
    """`X-LI-Signature`: over `hmacsha256=` and the raw body, by the app's client secret."""
    given = delivery.headers.get("x-li-signature", "").removeprefix(_PREFIX)
    if not given:
        return Forged("it lacks X-LI-Signature")
    message = _PREFIX.encode() + delivery.body
    return proven(secrets, [given], lambda secret: hex_signature(secret, message))


def shake_hands(delivery: Delivery, secrets: Sequence[str]) -> Answered | Forged:
    """LinkedIn sends a challenge, at first and every two hours, and wants it signed by the client secret."""
    challenge = delivery.query.get("challengeCode", "")
    if not _CHALLENGE.fullmatch(challenge) or not secrets:
        return Forged("it lacks a challengeCode")
    response = {"challengeCode": challenge, "challengeResponse": hex_signature(secrets[0], challenge.encode())}
    return Answered(json.dumps(response).encode(), "application/json")


def read_linkedin(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """One notice or response, a list of them, or `{"elements": […]}` as LinkedIn's API answers. All of it can be read, or it
    is refused: only notices of another type than leads say nothing of them."""
    content = delivery.content
    faults: list[Fault] = []
    if isinstance(content, Mapping) and "elements" not in content:
        records = [("body", content)]
    else:
        name, given = ("elements", content["elements"]) if isinstance(content, Mapping) else ("body", content)
        records = list(each(given, name, _FIX, faults))
    drafts: list[Draft] = []
    for where, record in records:
        if "formResponse" in record:
            drafts.append(_response(record, where, endpoint, faults))
        elif "leadGenFormResponse" in record or record.get("type") == _ABOUT_LEADS:
            drafts.append(_notice(record, where, endpoint, faults))
        elif not text(record.get("type")):
            faults.append(Fault(where, "holds neither a notice nor a response", _FIX))
    if faults:
        return Refused(tuple(faults[:MAX_FAULTS]))
    return drafts or Ignored("nothing in it is about a lead")


def _notice(notice: Mapping[str, object], where: str, endpoint: Endpoint, faults: list[Fault]) -> Draft:
    identifier = _identifier(notice.get("leadGenFormResponse"))
    if not identifier:
        # Whatever names no response would be taken for one and the same.
        faults.append(Fault(f"{where}.leadGenFormResponse", "is no URN of a response", _FIX))
    record = _origin(notice) | {
        "external_id": identifier,
        "occurred_at": unix_moment(notice.get("occurredAt"), per_second=1000),
    }
    record |= rest(notice, "linkedin", texts=(*_TEXTS, *_OF_NOTICES), read=_READ)
    action = text(notice.get("leadAction")) or "CREATED"
    if action == "CREATED":
        return draft(record, endpoint, event=action, key=f"notice:{identifier}", flags=[DETAILS_PENDING])
    key = f"{action.lower()}:{identifier}"
    if action == "DELETED":
        return draft(record, endpoint, event=action, key=key, usually=WITHDRAWN)
    flags = [] if action in endpoint.events else [UNKNOWN_EVENT]
    return draft(record, endpoint, event=action, key=key, flags=flags, usually=f"lead_{action.lower()}")


def _response(response: Mapping[str, object], where: str, endpoint: Endpoint, faults: list[Fault]) -> Draft:
    identifier = _identifier(response.get("id"))
    form = response["formResponse"]
    record = _origin(response) | {
        "external_id": identifier,
        "occurred_at": unix_moment(response.get("submittedAt"), per_second=1000),
    }
    place = f"{where}.formResponse"
    if not isinstance(form, Mapping):
        faults.append(Fault(place, f"is {describe(form)}, not an object", _FIX))
        form = {}
    given, unread = parts(form.get("answers"), f"{place}.answers", _FIX, faults)
    for answer in given:
        name = next((one for key in ("name", "predefinedField") if (one := text(answer.get(key)))), "")
        said = _answer(answer.get("answerDetails"))
        if said is _NOT_READ:
            unread.append(answer)
        else:
            add(record, name or f"question_{text(answer.get('questionId'))}", said)
    ticked, odd = parts(form.get("consentResponses"), f"{place}.consentResponses", _FIX, faults)
    consents: list[dict[str, object]] = []
    for box in ticked:
        if text(box.get("consentId")) and isinstance(box.get("accepted"), bool):
            consents.append({"purpose": f"linkedin consent {text(box['consentId'])}", "granted": box["accepted"]})
        else:
            odd.append(box)
    if consents:
        record["consent"] = consents
    read = (*_READ, "testLead", "formResponse.answers", "formResponse.consentResponses")
    record |= rest(response, "linkedin", texts=(*_TEXTS, "id", "submittedAt"), read=read)
    flags = keep_unread(record, "linkedin", [*unread, *odd])
    made_up = response.get("testLead") is True
    return draft(record, endpoint, event="CREATED", key=identifier or None, flags=flags, is_test=made_up)


_NOT_READ = object()


def _answer(details: object) -> object:
    """What was answered, None where nothing was, or `_NOT_READ`."""
    if not details:
        return None
    if isinstance(details, Mapping):
        written, chosen = details.get("textQuestionAnswer"), details.get("multipleChoiceAnswer")
        if isinstance(written, Mapping) and "answer" in written:
            return written["answer"]
        if isinstance(chosen, Mapping) and isinstance(chosen.get("options"), list):
            return answers(chosen["options"])
    return _NOT_READ


def _origin(record: Mapping[str, object]) -> dict[str, object]:
    """Where the lead came from, whichever of the two told."""
    metadata = record.get("leadMetadata")
    sponsored = metadata.get("sponsoredLeadMetadata") if isinstance(metadata, Mapping) else None
    campaign = sponsored.get("campaign") if isinstance(sponsored, Mapping) else None
    origin = {
        "linkedin_form": text(record.get("leadGenForm")) or text(record.get("versionedLeadGenFormUrn")),
        "linkedin_lead_type": text(record.get("leadType")),
        "linkedin_owner": record.get("owner"),
        "linkedin_associated_entity": record.get("associatedEntity"),
        "linkedin_submitter": record.get("submitter"),
    }
    return {
        "source": "linkedin",
        "medium": "paid_social" if record.get("leadType") == "SPONSORED" else "social",
        "campaign": _identifier(campaign) or None,
        "attributes": {name: value for name, value in origin.items() if value},
    }


def _identifier(urn: object) -> str:
    """The last part of a URN: `urn:li:leadGenFormResponse:77-3` is `77-3`, as the API answers it."""
    found = _LAST_NUMBER.search(text(urn))
    return found[1] if found else ""
