"""Reads e-mail addresses and telephone numbers with the libraries for it, and the common forms without their cost.

The short ways answer only where the library would answer the same; tests hold them to that. No DNS is asked.
A number counts when its length is possible in its country: that rule is stable, so ids made from numbers stay what
they are when numbering plans are updated. Whoever looks for a person by an address reads it here too, or would look for somebody else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat

_COMMON_EMAIL = re.compile(
    r"([A-Za-z0-9_]+(?:[.+-][A-Za-z0-9_]+)*)@((?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+([A-Za-z]{2,24}))"
)
_SPECIAL_TOP_LEVELS = frozenset(name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES)
_SHARED_MAILBOXES = frozenset(CASE_INSENSITIVE_MAILBOX_NAMES)
_INTERNATIONAL = re.compile(r"\+[1-9](?:[ -]?[0-9]){6,14}")
_LOCAL = re.compile(r"0(?:[ -]?[0-9]){6,14}")
_SEPARATORS = str.maketrans("", "", " -")


def read_email(text: str) -> str | None:
    """The address with its domain in lower case and its mailbox as the owner writes it, or None if malformed."""
    common = _COMMON_EMAIL.fullmatch(text)
    if common is not None:
        mailbox, domain, top_level = common.groups()
        if (
            len(mailbox) <= 64
            and len(domain) <= 63
            and top_level.lower() not in _SPECIAL_TOP_LEVELS
            and mailbox.lower() not in _SHARED_MAILBOXES
        ):
            return f"{mailbox}@{domain.lower()}"
    return library_email(text)


def library_email(text: str) -> str | None:
    """The same, by the library alone."""
    try:
        # `.test` is the domain of test systems; refusing it would make their leads different from real ones.
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
    except (EmailNotValidError, UnicodeError):
        return None


def read_phone(text: str, country: str | None) -> tuple[str, bool] | None:
    """The number in E.164 form and whether that says it all (an extension is lost). None for what can be no number.

    `country` (ISO alpha-2) is where a number without a country code is dialled.
    """
    if _INTERNATIONAL.fullmatch(text) is not None:
        digits = text[1:].translate(_SEPARATORS)
        for length in (2, 1, 3):
            plan = _plan_of_code(int(digits[:length])) if len(digits) > length else None
            if plan is not None:
                national = digits[length:]
                if plan.takes(national) and not plan.begins_with_prefix(national):
                    return f"+{digits}", True
                break
    elif country is not None and _LOCAL.fullmatch(text) is not None:
        plan = _plan_of_country(country)
        if plan is not None and plan.prefix == "0":
            dialled = text.translate(_SEPARATORS)
            if not plan.is_dialled_differently(dialled) and plan.takes(dialled[1:]):
                return f"+{plan.code}{dialled[1:]}", True
    return library_phone(text, country)


def library_phone(text: str, country: str | None) -> tuple[str, bool] | None:
    """The same, by the library alone."""
    try:
        number = phonenumbers.parse(text, country)
    except NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164), not number.extension


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the short ways need to know of one numbering plan."""

    code: int
    lengths: frozenset[int]
    prefix: str | None
    prefix_pattern: re.Pattern[str] | None
    abroad: re.Pattern[str] | None
    national: re.Pattern[str]

    def takes(self, national: str) -> bool:
        return len(national) in self.lengths and national[0] != "0"

    def begins_with_prefix(self, national: str) -> bool:
        return self.prefix_pattern is not None and self.prefix_pattern.match(national) is not None

    def is_dialled_differently(self, dialled: str) -> bool:
        """True where a leading 0 may be more than the trunk prefix: dialling abroad, or a digit of the number."""
        return (self.abroad is not None and self.abroad.match(dialled) is not None) or (
            self.national.fullmatch(dialled) is not None
        )


@cache
def _plan_of_code(code: int) -> _Plan | None:
    region = phonenumbers.region_code_for_country_code(code)
    return None if region in ("ZZ", "001") else _plan(region)


@cache
def _plan_of_country(country: str) -> _Plan | None:
    if country not in phonenumbers.SUPPORTED_REGIONS:
        return None
    code = phonenumbers.country_code_for_region(country)
    # Where countries share a code, the library measures a number by the first of them.
    return _plan(country) if phonenumbers.region_code_for_country_code(code) == country else None


def _plan(region: str) -> _Plan | None:
    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or metadata.country_code is None or metadata.general_desc is None:
        return None
    general = metadata.general_desc
    parsing = metadata.national_prefix_for_parsing
    return _Plan(
        code=metadata.country_code,
        lengths=frozenset(general.possible_length) - frozenset(general.possible_length_local_only),
        prefix=parsing if metadata.national_prefix_transform_rule is None else None,
        prefix_pattern=re.compile(parsing) if parsing else None,
        abroad=re.compile(metadata.international_prefix) if metadata.international_prefix else None,
        national=re.compile(general.national_number_pattern or ""),
    )
