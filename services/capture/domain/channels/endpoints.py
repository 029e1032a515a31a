"""Which address is whose: the endpoints of every unit with the adapters that read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.capture.domain.channels.calendly import read_calendly, verify_calendly
from services.capture.domain.channels.calls import read_call
from services.capture.domain.channels.chat import read_chat
from services.capture.domain.channels.check_ins import read_check_ins
from services.capture.domain.channels.emails import HEAD_BYTES, read_email
from services.capture.domain.channels.form import read_form
from services.capture.domain.channels.google import read_google, verify_google
from services.capture.domain.channels.linkedin import read_linkedin, verify_linkedin
from services.capture.domain.channels.linkedin import shake_hands as linkedin_handshake
from services.capture.domain.channels.mapped import read_json, read_standard_webhook
from services.capture.domain.channels.meta import read_meta, verify_meta
from services.capture.domain.channels.meta import shake_hands as meta_handshake
from services.capture.domain.channels.terms import Adapter, Verify
from services.capture.domain.channels.twilio import read_twilio_call, verify_twilio
from services.capture.domain.channels.typeform import read_typeform, verify_typeform
from services.capture.domain.channels.verification import verify_standard_webhook
from shared.contracts.policy import AdapterName, Endpoint, Policy, VerificationName
from shared.contracts.standard_webhooks import signing_key

DEFAULT_UNIT = "default"

ADAPTERS: Mapping[AdapterName, Adapter] = {
    "form": Adapter("HTML form", read_form, contents=("form", "json"), verification="open"),
    "json": Adapter("JSON with names of its own", read_json),
    "standard_webhooks": Adapter("Standard Webhooks", read_standard_webhook, verification="standard_webhooks"),
    "meta_lead_ads": Adapter("Meta", read_meta, verification="meta", handshake=meta_handshake, stops_on_errors=True),
    "google_ads": Adapter("Google Ads", read_google, verification="google", proof_field="google_key"),
    "linkedin": Adapter(
        "LinkedIn", read_linkedin, verification="linkedin", handshake=linkedin_handshake, stops_on_errors=True
    ),
    "typeform": Adapter("Typeform", read_typeform, verification="typeform", stops_on_errors=True),
    "calendly": Adapter("Calendly", read_calendly, verification="calendly", stops_on_errors=True),
    "call": Adapter("Telephony", read_call, contents=("form", "json")),
    "twilio_call": Adapter("Twilio", read_twilio_call, contents=("form",), verification="twilio"),
    "chat": Adapter("Chat", read_chat),
    "email": Adapter("E-mail", read_email, contents=("bytes",), head_bytes=HEAD_BYTES),
    "check_in": Adapter("Event lists", read_check_ins, contents=("json", "csv")),
}

VERIFICATIONS: Mapping[VerificationName, Verify] = {
    "standard_webhooks": verify_standard_webhook,
    "meta": verify_meta,
    "google": verify_google,
    "linkedin": verify_linkedin,
    "typeform": verify_typeform,
    "calendly": verify_calendly,
    "twilio": verify_twilio,
}
"""Verifications by a secret that the sender has too. `open` and `api_key` need none of the endpoint's."""


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint where it stands."""

    unit: str
    name: str
    endpoint: Endpoint
    adapter: Adapter

    @property
    def is_form(self) -> bool:
        """Whether browsers post here, on behalf of people who have no key."""
        return self.endpoint.adapter == "form"

    @property
    def verification(self) -> VerificationName:
        """By what its deliveries are trusted."""
        return self.endpoint.verification or self.adapter.verification


class Addresses:
    """Every address of a policy. `default` is the unit of the policy's defaults."""

    def __init__(self, policy: Policy) -> None:
        units = {DEFAULT_UNIT: policy.defaults} | policy.business_units
        self._places = {
            (unit, name): Address(unit, name, endpoint, ADAPTERS[endpoint.adapter])
            for unit, its_policy in units.items()
            for name, endpoint in its_policy.endpoints.items()
        }

    def __iter__(self) -> Iterator[Address]:
        return iter(self._places.values())

    def find(self, unit: str, name: str) -> Address | None:
        """The address of that unit and name, or None."""
        return self._places.get((unit, name))

    def faults(self, secrets: Mapping[str, tuple[str, ...]]) -> list[str]:
        """What keeps an address from being trusted: a signature without a secret, a secret without a value or a key."""
        found: list[str] = []
        for address in self:
            place = f"{address.unit}.endpoints.{address.name}"
            if address.verification in VERIFICATIONS and address.endpoint.secret is None:
                found.append(f"{place}: {address.adapter.title} signs what it sends; name its `secret`")
            found += [
                f"{place}: CAPTURE_CHANNEL_SECRETS has no {name}; add {name}=<the secret>"
                for name in address.endpoint.secrets
                if name not in secrets
            ]
            if address.verification == "standard_webhooks":
                found += [
                    f"{place}: a secret {name} of CAPTURE_CHANNEL_SECRETS {fault}"
                    for name in address.endpoint.secrets
                    for fault in filter(None, map(_fault, secrets.get(name, ())))
                ]
        return found


def _fault(secret: str) -> str | None:
    try:
        signing_key(secret)
    except ValueError as error:
        return str(error)
    return None
