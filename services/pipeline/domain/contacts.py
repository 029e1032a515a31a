"""Who there is to speak with about a lead: contacts in roles, kept with the person they were said of, so that a merge and its end
take them along and erasure forgets them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from services.pipeline.domain.decisions import Act
from services.pipeline.domain.facts import Draft, given
from services.pipeline.domain.ledger import CONTACTS, Lead, Ledger
from services.pipeline.domain.refusals import Refused, unknown
from shared.contracts.addresses import read_email, read_phone
from shared.contracts.capture_events import IdentityKind
from shared.contracts.identity import email_identity, phone_identity
from shared.contracts.lead_shape_events import LeadContactChanged
from shared.contracts.policy import UnitPolicy

MOST = 50
SHOWN = ("role", "name", "email", "phone", "job_title")
SAID = ("name", "email", "phone", "job_title")


class Recognised(NamedTuple):
    """By what a contact is recognised: a kind of identity and its normalised value."""

    kind: IdentityKind
    value: str


def contacts_of(personal: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The contacts in what is known of a lead, by their ids."""
    return dict(personal.get(CONTACTS) or {})


def shown_contacts(personal: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Contacts as the API shows them, decision-makers where they were said first."""
    return [
        {"contact_id": contact_id, **{name: one.get(name) for name in SHOWN}}
        for contact_id, one in sorted(contacts_of(personal).items(), key=lambda item: (item[1]["role"], item[0]))
    ]


def shown_person(personal: Mapping[str, Any]) -> dict[str, Any]:
    """Who a lead is, for others to see: without its contacts, which are shown apart and never with what they are recognised by."""
    return {name: value for name, value in personal.items() if name != CONTACTS}


def recognised_by(contact: Mapping[str, Any], unit: UnitPolicy) -> list[Recognised]:
    """What of a contact recognises one person: no role address, no number that many share."""
    found: list[Recognised] = []
    address = email_identity(read_email(contact["email"]) or "") if contact.get("email") else None
    if address is not None:
        found.append(Recognised("email", address))
    read = read_phone(contact["phone"], unit.country) if contact.get("phone") else None
    number = phone_identity(read[0]) if read is not None else None
    if number is not None and number not in unit.shared_phones:
        found.append(Recognised("phone", number))
    return found


def check(contact: Mapping[str, Any], unit: UnitPolicy) -> None:
    """Refuses a contact that nobody could be reached by or told from another."""
    if contact.get("role") not in unit.contact_roles:
        raise unknown("role", unit.contact_roles)
    if not any(contact.get(name) for name in ("name", "email", "phone")):
        raise Refused(
            "A contact needs a name, an email or a phone.",
            kind="invalid",
            code="nothing-said",
            field="name",
            fix="Send one of them at least.",
        )
    if contact.get("email") and read_email(contact["email"]) is None:
        raise Refused(
            "email is no address.",
            kind="invalid",
            code="no-address",
            field="email",
            fix="Write it as name@example.com.",
        )
    if contact.get("phone") and read_phone(contact["phone"], unit.country) is None:
        raise Refused(
            "phone is no number.",
            kind="invalid",
            code="no-number",
            field="phone",
            fix="Write it in international form, such as +31612345678.",
        )


def holders(ledger: Ledger, lead_id: UUID, contact_id: UUID) -> list[Lead]:
    """The id of the group with which a contact is kept; none where the lead or the contact is not known."""
    group = ledger.group(lead_id) if lead_id in ledger else ()
    return [member for member in group if str(contact_id) in contacts_of(member.personal)]


def holder(ledger: Ledger, lead_id: UUID, contact_id: UUID) -> Lead:
    """The id of the group with which a contact is kept. Raises `Refused`."""
    for member in holders(ledger, lead_id, contact_id):
        return member
    raise Refused(
        "The lead has no contact of this id.",
        kind="conflict",
        code="unknown-contact",
        field="contact_id",
        fix="Take a contact_id from the lead's contacts.",
    )


def put(member: Lead, contact_id: UUID, contact: Mapping[str, Any] | None) -> None:
    """Keeps a contact with an id, or does not any more."""
    known = contacts_of(member.personal)
    known.pop(str(contact_id), None)
    if contact is not None:
        known[str(contact_id)] = dict(contact)
    rest = shown_person(member.personal)
    member.personal = {**rest, CONTACTS: known} if known else rest


def refuse_more(ledger: Ledger, lead_id: UUID) -> None:
    """Refuses one contact too many."""
    if sum(len(contacts_of(member.personal)) for member in ledger.group(lead_id)) >= MOST:
        raise Refused(
            f"The lead has {MOST} contacts already.",
            kind="conflict",
            code="too-many",
            fix="Remove those who are none any more.",
        )


def recorded(act: Act, contact_id: UUID, change: str, contact: Mapping[str, Any]) -> Draft:
    """That a contact was added, changed or removed; who it is stands beside it."""
    draft = act.draft(LeadContactChanged, contact_id=str(contact_id), change=change, role=contact["role"])
    said = {name: contact.get(name) for name in SAID} if change != "removed" else {}
    return draft._replace(aside=given(**said))


def released(personal: Mapping[str, Any], contact_id: UUID | None, after: Collection[str] = ()) -> list[str]:
    """The identities that a lead has for a contact, and for none of its contacts after this one has changed or is removed."""
    known = contacts_of(personal)
    before = known.pop(str(contact_id), {}).get("claimed", ())
    return sorted(set(before) - set(after) - {token for one in known.values() for token in one.get("claimed", ())})
