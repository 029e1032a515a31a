"""The texts of a payload and what they were understood as. Whatever a field holds in the end, `as_sent` has what was written
where that differs: nobody has to guess what was sent."""

from __future__ import annotations

from collections.abc import Mapping

from services.capture.domain.countries import country_code
from services.capture.domain.faults import Fault
from services.capture.domain.fields import TextField
from services.capture.domain.languages import language_tag
from services.capture.domain.mail_domains import NOTHING_NOTED, DomainNotes
from services.capture.domain.terms import Readers, Submission
from services.capture.domain.text import ascii_digits
from services.capture.domain.units import Unit
from services.capture.domain.vocabulary import Words

PERSONAL_TEXTS = ("name", "message", "external_id")
_PERSONAL = frozenset({*PERSONAL_TEXTS, "email", "phone"})
_TELLS_NOTHING = frozenset({"record_id", "lead_id", "visitor_id"})
"""Ids of records and browsers: they are no part of the event as they were sent, and so neither is how they were spelled."""

_INITIALS = 3


class Understanding:
    """One payload's texts: as they were understood, what is wrong, what is noted. Each method is for a field that is there."""

    __slots__ = ("as_sent", "body", "faults", "flags", "submission", "suggestions", "texts")

    def __init__(self, body: dict[str, object], submission: Submission) -> None:
        self.body = body
        self.submission = submission
        self.texts: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.flags: list[str] = list(submission.flags)
        self.as_sent: dict[str, str] = {}
        self.suggestions: dict[str, str] = {}

    def read_texts(self, fields: Mapping[str, TextField]) -> dict[str, object]:
        """Fills `texts`; answers with the fields that are not text."""
        texts, faults = self.texts, self.faults
        others: dict[str, object] = {}
        for name, value in self.body.items():
            field = fields.get(name)
            if field is None:
                others[name] = value
                continue
            if (
                type(value) is str
                and len(value) <= field.limit
                and value.isascii()
                and value.isprintable()
                and "  " not in value
            ):
                # What `read` would answer, without asking it: nearly every text there is.
                text: str | None = value.strip()
            else:
                text = field.read(value, faults)
            if text:
                texts[name] = text
                if text is not value:
                    self._note(name, str(value), text)
        return others

    def _note(self, name: str, sent: str, understood: str) -> None:
        """Keeps what was sent where it differs; of a message where more differs than its white space."""
        if sent == understood or name in _TELLS_NOTHING or (name == "message" and sent.split() == understood.split()):
            return
        self.as_sent[name] = sent

    def _understand(self, name: str, understood: str) -> None:
        """A field's text becomes what it means."""
        if name in self.texts and understood != self.texts[name]:
            sent = self.body.get(name)
            self.as_sent.setdefault(name, self.texts[name] if sent is None else str(sent))
            self.texts[name] = understood

    def channel(self, unit: Unit) -> str:
        """The channel by the unit's name for it; an unknown one is kept and flagged."""
        given = self.texts.get("channel", "api")
        known = unit.channels.get(given.casefold())
        if known is None and unit.channels:
            known = self._by(unit.other_channels, "channel", given)
            if known is None:
                self.flags.append("unknown_channel")
                return given
        if known is None or known == given:
            return given
        self._understand("channel", known)
        return known

    def words(self, unit: Unit) -> None:
        """Texts that the unit has words for."""
        for name, words in unit.words.items():
            if name in self.texts:
                known = self._by(words, name, self.texts[name])
                if known is not None:
                    self._understand(name, known)
                elif name not in self.suggestions:
                    self.flags.append(f"unknown_value:{name}")

    def attribute_words(self, unit: Unit, attributes: dict[str, object]) -> dict[str, object]:
        """Attributes that the unit has words for, understood; the sender's own object stays as it is."""
        understood = attributes
        for name, words in unit.attribute_words.items():
            given = attributes.get(name)
            if not isinstance(given, str):
                continue
            field = f"attributes.{name}"
            known = self._by(words, field, given)
            if known is None:
                if field not in self.suggestions:
                    self.flags.append(f"unknown_value:{field}")
            elif known != given:
                understood = {**understood, name: known}
                self.as_sent[field] = given
        return understood

    def _by(self, words: Words, field: str, given: str) -> str | None:
        """The unit's word, or None; one that is nearly meant is suggested."""
        value, how = words.understand(given)
        if how == "near":
            self._suggest(field, value)
        return value if how == "known" else None

    def name(self) -> None:
        """A name stays as somebody writes it. One in capitals alone is noted, since it may have been typed so."""
        name = self.texts["name"]
        if len(name) > _INITIALS and name.isupper():
            self.flags.append("all_caps:name")

    def country(self) -> str | None:
        """The lead's country as a code, or None; an unknown one is kept and flagged."""
        given = self.texts["country"]
        code = country_code(given)
        if code is None:
            self.flags.append("unknown_country")
        elif code != given:
            self._understand("country", code)
        return code

    def language(self) -> None:
        """The lead's language as a tag; an unknown one is kept and flagged."""
        given = self.texts["language"]
        tag = language_tag(given)
        if tag is None:
            self.flags.append("unknown_language")
        elif tag != given:
            self._understand("language", tag)

    def email(self, readers: Readers, unit: Unit) -> str | None:
        """The address, or None for what can be none. A domain that was probably meant is suggested and never put in the
        place of the one that was written."""
        given = self.texts["email"]
        read = readers.email(given)
        if read is not None:
            mailbox, _, domain = read.rpartition("@")
            notes = unit.mail_domains[domain]
            if notes is not NOTHING_NOTED:
                self._note_domain(notes, mailbox, readers)
        else:
            self.flags.append("invalid_email")
            self._mend_email(given, readers, unit)
        if read != given:
            self.as_sent.setdefault("email", str(self.body["email"]))
        return read

    def _mend_email(self, given: str, readers: Readers, unit: Unit) -> None:
        """Suggests what a malformed address would be without the slips that keyboards make."""
        mended = readers.email("".join(given.replace(",", ".").split()))
        if mended is not None:
            mailbox, _, domain = mended.rpartition("@")
            self._note_domain(unit.mail_domains[domain], mailbox, readers)
            if "email" not in self.suggestions:
                self._suggest("email", mended)

    def _note_domain(self, notes: DomainNotes, mailbox: str, readers: Readers) -> None:
        if notes.disposable:
            self.flags.append("disposable_email")
        if notes.suggestion is not None:
            meant = readers.email(f"{mailbox}@{notes.suggestion}")
            if meant is not None:
                self._suggest("email", meant)

    def _suggest(self, field: str, meant: str) -> None:
        self.suggestions[field] = meant
        self.flags.append(f"suggestion:{field}")

    def phone(self, readers: Readers, country: str | None) -> str | None:
        """The number in E.164 form, or None for what can be none."""
        given = self.texts["phone"]
        read = readers.phone(ascii_digits(given), country)
        number = None if read is None else read[0]
        if number != given:
            self.as_sent.setdefault("phone", str(self.body["phone"]))
            if number is None:
                self.flags.append("invalid_phone")
        return number

    def consents_given(self, unit: Unit, channel: str, purposes: frozenset[object]) -> None:
        """Flags each purpose that the unit needs an answer to and that has none."""
        for purpose in (*unit.required_everywhere, *unit.required_consents.get(channel, ())):
            flag = f"missing_consent:{purpose}"
            if purpose not in purposes and flag not in self.flags:
                self.flags.append(flag)

    def explain(self, event: dict[str, object], personal: dict[str, object]) -> None:
        """Puts what was sent, and what was probably meant, where it belongs."""
        for name, found in (("as_sent", self.as_sent), ("suggestions", self.suggestions)):
            if found:
                who = {field: text for field, text in found.items() if field in _PERSONAL}
                what = {field: text for field, text in found.items() if field not in _PERSONAL}
                if who:
                    personal[name] = who
                if what:
                    event[name] = what
