"""The decision: a payload is taken, as which event and under which ids, or refused with everything that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, cast
from uuid import UUID

from services.capture.domain.faults import Fault, describe
from services.capture.domain.fields import (
    INTERACTION_OTHERS,
    INTERACTION_TEXTS,
    LEAD_OTHERS,
    LEAD_TEXTS,
)
from services.capture.domain.naming import named_event
from services.capture.domain.terms import EventBody, Kind, Readers, Refused, Submission, Taken
from services.capture.domain.understanding import PERSONAL_TEXTS, Understanding
from services.capture.domain.units import Unit
from services.capture.domain.values import (
    check_attributes,
    consents,
    duration,
    past_moment,
    spelled_yes_or_no,
    unknown_field_flag,
    yes_or_no,
)
from services.capture.domain.visits import VISIT_FIELDS, read_visit, without_machines
from shared.contracts.identity import (
    MADE_UP_ENDINGS,
    Tokens,
    email_identity,
    external_identity,
    lead_id_from,
    lead_id_text,
    phone_identity,
)
from shared.contracts.interactions import direction_of, folded_kind
from shared.contracts.policy import Policy

MAX_UNKNOWN_FLAGS = 20
_EVENT_TEXTS = ("source", "medium", "campaign", "content", "term", "product")
_LEAD_TEXTS = ("company", "job_title", "language", "country")
_INTERACTION_TEXTS = ("value", "direction", "outcome")


class IntakeRules:
    """The rules of one deployment: its policy, its identity secret, its way to read addresses and make fresh ids."""

    def __init__(self, policy: Policy, secret: bytes, readers: Readers, new_id: Callable[[], str]) -> None:
        self._units = {name: Unit.of(unit, readers.alike) for name, unit in policy.business_units.items()}
        self._other_unit = Unit.of(policy.defaults, readers.alike)
        self._tokens = Tokens(secret)
        self.readers = readers
        self.new_id = new_id

    def channel_label(self, business_unit: str, channel: str) -> str:
        """The channel where the unit's policy lists it, else `other`: a bounded set."""
        unit = self._units.get(business_unit, self._other_unit)
        return channel if channel.casefold() in unit.channels else "other"

    def unit_label(self, business_unit: str) -> str:
        """The unit where the policy names it, else `other`: a bounded set."""
        return business_unit if business_unit == "default" or business_unit in self._units else "other"

    def decide(self, kind: Kind, body: object, submission: Submission, key: str | None) -> Taken | Refused:
        """`key` is what the sender calls this record; the record's own `record_id` goes before it."""
        if not isinstance(body, dict):
            fault = Fault("body", f"is {describe(body)}, not an object", f"Send one JSON object per {kind}.")
            return Refused((fault,))
        return _Reading(body, submission).decide(self, kind, key)

    def identities(
        self, unit: str, sender: str, texts: Mapping[str, str], email: str | None, phone: str | None
    ) -> list[dict[str, str]]:
        """Every way to recognise this lead, strongest first, as events carry them."""
        token = self._tokens.token
        found: list[dict[str, str]] = []
        if email is not None and (value := email_identity(email)) is not None:
            found.append({"kind": "email", "token": token(unit, "email", value)})
        if phone is not None and (value := phone_identity(phone)) is not None:
            found.append({"kind": "phone", "token": token(unit, "phone", value)})
        if (external_id := texts.get("external_id")) is not None:
            value = external_identity(sender, external_id)
            found.append({"kind": "external", "token": token(unit, "external", value)})
        if (visitor_id := texts.get("visitor_id")) is not None:
            found.append({"kind": "visitor", "token": token(unit, "visitor", visitor_id)})
        return found

    @property
    def unit_names(self) -> list[str]:
        """The units that the policy knows."""
        return ["default", *(name for name in self._units if name != "default")]

    def unit(self, business_unit: str) -> Unit:
        """What holds for a unit; an unknown one has the defaults."""
        return self._units.get(business_unit, self._other_unit)


class _Others(NamedTuple):
    """What a payload says besides texts."""

    occurred_at: datetime | None
    historical: bool
    permissions: Sequence[Mapping[str, object]]
    attributes: Mapping[str, object]
    is_test: bool
    duration_seconds: float | None = None


_NO_OTHERS = _Others(None, False, (), {}, False)


class _Reading(Understanding):
    """One payload being read and decided."""

    __slots__ = ("click_ids", "key", "kind", "rules")

    def decide(self, rules: IntakeRules, kind: Kind, key: str | None) -> Taken | Refused:
        self.rules, self.kind, self.key = rules, kind, key
        self.click_ids: dict[str, str] | None = None
        lead = kind == "lead"
        others = self.read_texts(LEAD_TEXTS if lead else INTERACTION_TEXTS)
        texts, faults, submission = self.texts, self.faults, self.submission
        received_at, sender = submission.received_at, submission.sender
        business_unit = texts.get("business_unit", "default")
        unit = rules.unit(business_unit)
        found = self._read_others(others, unit) if others else _NO_OTHERS
        occurred_at, historical, permissions, attributes, is_test, duration_seconds = found
        channel = self.channel(unit)
        if unit.words:
            self.words(unit)
        country = email = phone = own_phone = None
        if lead:
            if "name" in texts:
                self.name()
            if "country" in texts:
                country = self.country()
            if "language" in texts:
                self.language()
            if unit.needs_consents:
                self.consents_given(unit, channel, frozenset(one["purpose"] for one in permissions))
        if "email" in texts:
            email = self.email(rules.readers, unit)
        if "phone" in texts:
            # Dialled from the lead's country, else the form's or endpoint's, else the sender's, else the unit's.
            country = country or submission.country or unit.sender_countries.get(sender) or unit.country
            phone = own_phone = self.phone(rules.readers, country)
            if phone is not None and (phone[-7:] in MADE_UP_ENDINGS or phone in unit.shared_phones):
                self.flags.append("shared_phone")
                own_phone = None
        identities = rules.identities(business_unit, sender, texts, email, own_phone)
        if email is not None and (not identities or identities[0]["kind"] != "email"):
            self.flags.append("role_address")
        named_lead = None if lead else self._named_lead(identities)
        retracted = None if lead else self._retracted(business_unit)
        if not lead and "kind" not in texts and not any(fault.field == "kind" for fault in faults):
            faults.append(Fault("kind", "is missing", "Say what happened, such as page_view or demo_request."))
        if historical and not submission.may_backdate:
            fix = "Use a key with that scope, or leave the field out."
            fault = Fault("historical", "needs the scope backdate, which this key lacks", fix)
            faults.append(fault)
            return self._refused(self._names(identities, email, own_phone), channel, 403 if len(faults) == 1 else 422)
        if faults:
            return self._refused(self._names(identities, email, own_phone), channel)

        key = texts.get("record_id", self.key)
        event_id = self.rules.new_id() if key is None else self._named_event(business_unit, key)
        lead_id = named_lead or _lead_id(identities, event_id)
        event: EventBody = {
            "event": "LeadCaptured" if lead else "InteractionRecorded",
            "event_id": event_id,
            "lead_id": lead_id,
            "business_unit": business_unit,
            "occurred_at": occurred_at or received_at,
            "recorded_at": received_at,
            "correlation_id": event_id,
            "schema_version": 1,
            "historical": historical,
            "sender": sender,
            "channel": channel,
            "identities": identities,
            "attributes": attributes or {},
            "flags": self.flags,
        }
        for name in _EVENT_TEXTS:
            if name in texts:
                event[name] = texts[name]
        if lead:
            for name in _LEAD_TEXTS:
                if name in texts:
                    event[name] = texts[name]
            if permissions:
                event["consents"] = permissions
        else:
            event["kind"] = self._happened(unit)
            if retracted is not None:
                event["retracts"] = retracted
            for name in _INTERACTION_TEXTS:
                if name in texts:
                    event[name] = texts[name]
            if duration_seconds is not None:
                event["duration_seconds"] = duration_seconds
        if is_test or "message" in texts or unit.marks.lists_anybody or not submission.is_plain:
            mark, reasons = unit.marks.decide(submission, is_test, texts, email)
            if mark is not None:
                event["mark"] = mark
                event["mark_reasons"] = reasons
        self._personal(event, email, phone)
        return Taken(event_id, lead_id, business_unit, channel, tuple(self.flags), event, key is not None)

    def _names(self, identities: list[dict[str, str]], email: str | None, phone: str | None) -> list[dict[str, str]]:
        """Whom a refused payload names. Where its unit is none that the policy knows, it may be mended into any: then by the
        identities of all, or whoever looks for a person would not find it."""
        rules, given = self.rules, self.texts.get("business_unit")
        if given is not None and rules.unit_label(given) == given:
            return identities
        if given is None and not any(fault.field == "business_unit" for fault in self.faults):
            return identities
        others = (name for name in rules.unit_names if name != given)
        told = [rules.identities(name, self.submission.sender, self.texts, email, phone) for name in others]
        return [*identities, *(one for every in told for one in every)]

    def _refused(self, identities: list[dict[str, str]], channel: str, status: Literal[403, 422] = 422) -> Refused:
        unit = self.texts.get("business_unit", "default")
        tokens = tuple(dict.fromkeys(one["token"] for one in identities))
        rules = self.rules
        return Refused(tuple(self.faults), status, tokens, rules.unit_label(unit), rules.channel_label(unit, channel))

    def _read_others(self, others: dict[str, object], unit: Unit) -> _Others:
        """What is not text: when it happened, whether it is history, permissions, and what nobody knows."""
        lead, faults, now = self.kind == "lead", self.faults, self.submission.received_at
        known = LEAD_OTHERS if lead else INTERACTION_OTHERS
        unknown = {name: value for name, value in others.items() if name not in known}
        is_test = False
        if "test" in others:
            said = spelled_yes_or_no(others["test"])
            is_test = said is True
            if said is None and others["test"] not in (None, ""):
                unknown["test"] = others["test"]
        occurred_at = past_moment("occurred_at", others.get("occurred_at"), unit.zone, now, faults)
        historical = yes_or_no("historical", others.get("historical"), faults) or False
        permissions = consents(others.get("consent"), unit.zone, now, unknown, faults) if lead else []
        facts = None if VISIT_FIELDS.isdisjoint(unknown) else self._visit(unknown, unit)
        seconds = None
        if not lead:
            seconds, kept = duration("duration_seconds", others.get("duration_seconds"), self.flags)
            unknown.update(kept)
        attributes = self._attributes(others.get("attributes"), unknown, unit)
        if facts:
            attributes = {**facts, **attributes}
        return _Others(occurred_at, historical, permissions, attributes, is_test, seconds)

    def _visit(self, unknown: dict[str, object], unit: Unit) -> dict[str, str]:
        """Takes what tells of the visit out of `unknown`: it fills campaign fields and leaves a few facts."""
        sent = {name: unknown.pop(name) for name in [name for name in unknown if name in VISIT_FIELDS]}
        visit = read_visit(sent, self.texts, unit.own_hosts, self.rules.readers.browser)
        self.texts.update(visit.texts)
        self.flags += visit.flags
        self.click_ids = visit.click_ids
        if self.kind == "interaction" and visit.page is not None:
            self.texts.setdefault("value", visit.page)
        return visit.facts

    def _happened(self, unit: Unit) -> str:
        """The kind of interaction in the vocabulary's word, and who began in one of two words. A word that is neither
        is kept and flagged."""
        texts = self.texts
        if "direction" in texts:
            direction = direction_of(texts["direction"])
            if direction is None:
                self.flags.append("unknown_direction")
            texts["direction"] = direction or texts["direction"]
        given = texts["kind"]
        known = unit.kinds.get(given) or unit.kinds.get(folded_kind(given))
        if known is None:
            self.flags.append("unknown_kind")
        return known or given

    def _attributes(self, given: object, unknown: Mapping[str, object], unit: Unit) -> dict[str, object]:
        """Attributes as sent, and unknown fields among them, each flagged. No address of a machine is kept."""
        attributes: dict[str, object] = {}
        dropped: list[str] = []
        if unknown:
            unknown = without_machines(unknown, dropped)
        if isinstance(given, dict):
            kept = without_machines(given, dropped)
            attributes = {**kept} if unknown else cast(dict[str, object], kept)
        elif given is not None and given != "":
            self.faults.append(Fault("attributes", f"is {describe(given)}, not an object", "Send {name: value}."))
        self.flags += [f"not_kept:{name}" for name in dropped]
        for name, value in unknown.items():
            if name.startswith("attributes.") and len(name) > 11 and name[11:] not in attributes:
                attributes[name[11:]] = value
                continue
            attributes[name if name not in attributes else f"unknown_field:{name}"] = value
            flag = unknown_field_flag(name)
            if flag not in self.flags and len(self.flags) < MAX_UNKNOWN_FLAGS:
                self.flags.append(flag)
        if attributes:
            check_attributes(attributes, self.faults)
        return self.attribute_words(unit, attributes) if unit.attribute_words else attributes

    def _named_event(self, business_unit: str, key: str) -> str:
        return named_event(business_unit, self.submission.sender, self.kind, key)

    def _retracted(self, business_unit: str) -> str | None:
        """The event that is taken back: by what this sender called it, or by its id."""
        named, given = self.texts.get("retracts"), self.texts.get("retracts_event_id")
        if given is not None:
            try:
                return str(UUID(given))
            except ValueError:
                fix = "Send the event_id that capture answered, or your own record_id as retracts."
                self.faults.append(Fault("retracts_event_id", "is no UUID", fix))
        return None if named is None else self._named_event(business_unit, named)

    def _named_lead(self, identities: list[dict[str, str]]) -> str | None:
        """The lead an interaction names itself; a fault where nothing tells whose interaction it is."""
        given = self.texts.get("lead_id")
        if given is not None:
            try:
                return str(UUID(given))
            except ValueError:
                self.faults.append(Fault("lead_id", "is no UUID", "Send the lead_id that capture answered."))
                return None
        if not identities and not self.faults:
            fault = "identifies nobody: no lead_id, and no usable email, phone, external_id or visitor_id"
            self.faults.append(Fault("lead_id", fault, "Send at least one of them; shared mailboxes identify nobody."))
        return None

    def _personal(self, event: EventBody, email: str | None, phone: str | None) -> None:
        texts = self.texts
        personal: dict[str, object] = {}
        for name in PERSONAL_TEXTS:
            if name in texts:
                personal[name] = texts[name]
        if email is not None:
            personal["email"] = email
        if phone is not None:
            personal["phone"] = phone
        if self.as_sent or self.suggestions:
            self.explain(event, personal)
        if self.click_ids:
            personal["click_ids"] = self.click_ids
        if personal:
            event["personal"] = personal


def _lead_id(identities: list[dict[str, str]], event_id: str) -> str:
    return lead_id_text(identities[0]["token"]) if identities else str(lead_id_from((), UUID(event_id)))
