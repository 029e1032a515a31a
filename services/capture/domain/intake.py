"""The decision: a payload is taken, as which event and under which ids, or refused with everything that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from services.capture.domain.faults import Fault, describe
from services.capture.domain.fields import (
    INTERACTION_OTHERS,
    INTERACTION_TEXTS,
    LEAD_OTHERS,
    LEAD_TEXTS,
    TextField,
)
from services.capture.domain.naming import named_event
from services.capture.domain.terms import EventBody, Kind, Readers, Refused, Submission, Taken, Unit
from services.capture.domain.text import ascii_digits
from services.capture.domain.values import (
    check_attributes,
    consents,
    country_code,
    duration,
    past_moment,
    spelled_yes_or_no,
    unknown_field_flag,
    yes_or_no,
)
from services.capture.domain.visits import NEVER_KEPT, VISIT_FIELDS, read_visit
from shared.contracts.identity import (
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
_READ_NOT_KEPT = VISIT_FIELDS | NEVER_KEPT
_EVENT_TEXTS = ("source", "medium", "campaign", "content", "term", "product")
_LEAD_TEXTS = ("company", "job_title", "language", "country")
_INTERACTION_TEXTS = ("value", "direction", "outcome")
_PERSONAL_TEXTS = ("name", "message", "external_id")


class IntakeRules:
    """The rules of one deployment: its policy, its identity secret, its way to read addresses and make fresh ids."""

    def __init__(self, policy: Policy, secret: bytes, readers: Readers, new_id: Callable[[], UUID]) -> None:
        self._units = {name: Unit.of(unit) for name, unit in policy.business_units.items()}
        self._other_unit = Unit.of(policy.defaults)
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
        return _Reading(self, kind, submission, key).decide(body)

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


class _Reading:
    """One payload being read: what was found, what is wrong, what is noted."""

    __slots__ = ("as_sent", "click_ids", "faults", "flags", "key", "kind", "rules", "submission", "texts")

    def __init__(self, rules: IntakeRules, kind: Kind, submission: Submission, key: str | None) -> None:
        self.rules = rules
        self.kind = kind
        self.submission = submission
        self.key = key
        self.texts: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.flags: list[str] = list(submission.flags)
        self.as_sent: dict[str, str] = {}
        self.click_ids: dict[str, str] | None = None

    def decide(self, body: dict[str, object]) -> Taken | Refused:
        lead = self.kind == "lead"
        others = self._read_texts(body, LEAD_TEXTS if lead else INTERACTION_TEXTS)
        texts, faults, received_at = self.texts, self.faults, self.submission.received_at
        business_unit = texts.get("business_unit", "default")
        unit = self.rules.unit(business_unit)
        found = self._read_others(others, unit) if others else _NO_OTHERS
        occurred_at, historical, permissions, attributes, is_test, duration_seconds = found
        channel = self._channel(unit)
        country = self._country(unit) if lead else self.submission.country or unit.country
        email = self._email(body)
        phone = self._phone(body, country)
        identities = self.rules.identities(business_unit, self.submission.sender, texts, email, phone)
        named_lead = None if lead else self._named_lead(identities)
        retracted = None if lead else self._retracted(business_unit)
        if not lead and "kind" not in texts and not any(fault.field == "kind" for fault in faults):
            faults.append(Fault("kind", "is missing", "Say what happened, such as page_view or demo_request."))
        if historical and not self.submission.may_backdate:
            fix = "Use a key with that scope, or leave the field out."
            fault = Fault("historical", "needs the scope backdate, which this key lacks", fix)
            faults.append(fault)
            return self._refused(identities, channel, 403 if len(faults) == 1 else 422)
        if faults:
            return self._refused(identities, channel)

        key = texts.get("record_id", self.key)
        event_id = str(self.rules.new_id()) if key is None else self._named_event(business_unit, key)
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
            "sender": self.submission.sender,
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
        mark, reasons = unit.marks.decide(self.submission, is_test, texts, email)
        if mark is not None:
            event["mark"] = mark
            event["mark_reasons"] = reasons
        self._personal(event, email, phone)
        return Taken(event_id, lead_id, business_unit, channel, tuple(self.flags), event, key is not None)

    def _refused(self, identities: list[dict[str, str]], channel: str, status: Literal[403, 422] = 422) -> Refused:
        unit = self.texts.get("business_unit", "default")
        tokens = tuple(one["token"] for one in identities)
        rules = self.rules
        return Refused(tuple(self.faults), status, tokens, rules.unit_label(unit), rules.channel_label(unit, channel))

    def _read_texts(self, body: dict[str, object], fields: Mapping[str, TextField]) -> dict[str, object]:
        """Fills `texts`; answers with the fields that are not text."""
        texts, faults = self.texts, self.faults
        others: dict[str, object] = {}
        for name, value in body.items():
            field = fields.get(name)
            if field is None:
                others[name] = value
                continue
            text = field.read(value, faults)
            if text is not None:
                texts[name] = text
        return others

    def _read_others(self, others: dict[str, object], unit: Unit) -> _Others:
        """What is not text: when it happened, whether it is history, permissions, and what nobody knows."""
        lead, faults, now = self.kind == "lead", self.faults, self.submission.received_at
        known = LEAD_OTHERS if lead else INTERACTION_OTHERS
        unknown = {name: value for name, value in others.items() if name not in known}
        is_test = spelled_yes_or_no(others.get("test"))
        if is_test is None and others.get("test") not in (None, ""):
            unknown["test"] = others["test"]
        occurred_at = past_moment("occurred_at", others.get("occurred_at"), unit.zone, now, faults)
        historical = yes_or_no("historical", others.get("historical"), faults) or False
        permissions = consents(others.get("consent"), unit.zone, now, unknown, faults) if lead else []
        facts = None if _READ_NOT_KEPT.isdisjoint(unknown) else self._visit(unknown, unit)
        seconds = None
        if not lead:
            seconds, kept = duration("duration_seconds", others.get("duration_seconds"), self.flags)
            unknown.update(kept)
        attributes = self._attributes(others.get("attributes"), unknown)
        if facts:
            attributes = {**facts, **attributes}
        return _Others(occurred_at, historical, permissions, attributes, is_test or False, seconds)

    def _visit(self, unknown: dict[str, object], unit: Unit) -> dict[str, str]:
        """Takes what tells of the visit out of `unknown`: it fills campaign fields and leaves a few facts."""
        for name in [name for name in unknown if name in NEVER_KEPT]:
            del unknown[name]
            self.flags.append(f"not_kept:{name}")
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

    def _attributes(self, given: object, unknown: dict[str, object]) -> dict[str, object]:
        """Attributes as sent, and unknown fields among them, each flagged."""
        attributes: dict[str, object] = {}
        if isinstance(given, dict):
            attributes = dict(given) if unknown else given
            if not NEVER_KEPT.isdisjoint(given):
                attributes = {name: value for name, value in given.items() if name not in NEVER_KEPT}
                self.flags += [f"not_kept:{name}" for name in given if name in NEVER_KEPT]
        elif given is not None and given != "":
            self.faults.append(Fault("attributes", f"is {describe(given)}, not an object", "Send {name: value}."))
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
        return attributes

    def _channel(self, unit: Unit) -> str:
        given = self.texts.get("channel", "api")
        known = unit.channels.get(given.casefold())
        if known is None and unit.channels:
            self.flags.append("unknown_channel")
        return known or given

    def _country(self, unit: Unit) -> str | None:
        """The country to read a local number by. The lead's own goes before the sender's, and that before the unit's."""
        given = self.texts.get("country")
        otherwise = self.submission.country or unit.country
        if given is None:
            return otherwise
        code = country_code(given)
        if code is None:
            self.flags.append("unknown_country")
            return otherwise
        self.texts["country"] = code
        return code

    def _email(self, body: dict[str, object]) -> str | None:
        given = self.texts.get("email")
        if given is None:
            return None
        read = self.rules.readers.email(given)
        if read is None:
            self.flags.append("invalid_email")
            self.as_sent["email"] = str(body["email"])
        return read

    def _phone(self, body: dict[str, object], country: str | None) -> str | None:
        given = self.texts.get("phone")
        if given is None:
            return None
        read = self.rules.readers.phone(ascii_digits(given), country)
        if read is None:
            self.flags.append("invalid_phone")
            self.as_sent["phone"] = str(body["phone"])
            return None
        number, complete = read
        if not complete:
            self.as_sent["phone"] = str(body["phone"])
        return number

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
        for name in _PERSONAL_TEXTS:
            if name in texts:
                personal[name] = texts[name]
        if email is not None:
            personal["email"] = email
        if phone is not None:
            personal["phone"] = phone
        if self.as_sent:
            personal["as_sent"] = self.as_sent
        if self.click_ids:
            personal["click_ids"] = self.click_ids
        if personal:
            event["personal"] = personal


def _lead_id(identities: list[dict[str, str]], event_id: str) -> str:
    return lead_id_text(identities[0]["token"]) if identities else str(lead_id_from((), UUID(event_id)))
