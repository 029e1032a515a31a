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
from services.capture.domain.channels.records import DETAILS_PENDING, add, answers, draft, objects, unix_moment
from services.capture.domain.channels.terms import Answered, Delivery, Draft, Forged, Reading, Verified
from services.capture.domain.channels.verification import hex_signature, proven
from services.capture.domain.faults import Fault, describe
from services.capture.domain.terms import Refused
from shared.contracts.policy import Endpoint

WITHDRAWN = "lead_withdrawn"
_PREFIX = "hmacsha256="
_CHALLENGE = re.compile(r"[A-Za-z0-9-]{1,100}")
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
    """One notice or response, a list of them, or `{"elements": […]}` as LinkedIn's API answers."""
    content = delivery.content
    given = content.get("elements") if isinstance(content, Mapping) and "elements" in content else content
    records = objects(given if isinstance(given, list) else [given])
    if records is None:
        fault = Fault("body", f"is {describe(content)}, not an object", "Send what LinkedIn sends, as it is.")
        return Refused((fault,))
    drafts: list[Draft] = []
    for record in records:
        if "formResponse" in record:
            drafts.append(_response(record, endpoint))
        elif "leadGenFormResponse" in record:
            drafts.append(_notice(record, endpoint))
        elif "type" not in record:
            fix = "Send LinkedIn's notice, with leadGenFormResponse, or the response, with formResponse."
            return Refused((Fault("body", "holds neither a notice nor a response", fix),))
    return drafts


def _notice(notice: Mapping[str, object], endpoint: Endpoint) -> Draft:
    identifier = _identifier(notice.get("leadGenFormResponse"))
    record = _origin(notice) | {
        "external_id": identifier,
        "occurred_at": unix_moment(notice.get("occurredAt"), per_second=1000),
    }
    if notice.get("leadAction") == "DELETED":
        return draft(record, endpoint, event="DELETED", key=f"deleted:{identifier}", usually=WITHDRAWN)
    return draft(record, endpoint, event="CREATED", key=f"notice:{identifier}", flags=[DETAILS_PENDING])


def _response(response: Mapping[str, object], endpoint: Endpoint) -> Draft:
    identifier = _identifier(response.get("id"))
    form = response["formResponse"]
    record = _origin(response) | {
        "external_id": identifier,
        "occurred_at": unix_moment(response.get("submittedAt"), per_second=1000),
    }
    said = form if isinstance(form, Mapping) else {}
    for answer in objects(said.get("answers")) or ():
        name = next((one for key in ("name", "predefinedField") if (one := text(answer.get(key)))), "")
        add(record, name or f"question_{text(answer.get('questionId'))}", _answer(answer.get("answerDetails")))
    consents = [
        {"purpose": f"linkedin consent {text(one.get('consentId'))}", "granted": one.get("accepted")}
        for one in objects(said.get("consentResponses")) or ()
    ]
    if consents:
        record["consent"] = consents
    made_up = response.get("testLead") is True
    return draft(record, endpoint, event="CREATED", key=identifier or None, is_test=made_up)


def _answer(details: object) -> object:
    if not isinstance(details, Mapping):
        return None
    written = details.get("textQuestionAnswer")
    if isinstance(written, Mapping):
        return written.get("answer")
    chosen = details.get("multipleChoiceAnswer")
    options = chosen.get("options") if isinstance(chosen, Mapping) else None
    return answers(options) if isinstance(options, list) else None


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
