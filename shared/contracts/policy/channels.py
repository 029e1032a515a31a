"""The endpoints of a business unit: an address of its own for each sender, how what it sends is read, and by what it is
trusted. Secrets are only named here; their values come from the environment."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from shared.contracts.envelope import Name
from shared.contracts.policy.section import Section

AdapterName = Literal[
    "form",
    "json",
    "standard_webhooks",
    "meta_lead_ads",
    "google_ads",
    "linkedin",
    "typeform",
    "calendly",
    "call",
    "twilio_call",
    "chat",
    "email",
    "check_in",
]
"""Whose way of saying things is read. Capture has one adapter for each."""

VerificationName = Literal[
    "open", "api_key", "standard_webhooks", "meta", "google", "linkedin", "typeform", "calendly", "twilio"
]
"""By what a delivery is trusted: nothing, one of capture's API keys, or the sender's own signature."""

EndpointName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,62}$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|\*|null")
_PAGE = re.compile(r"https?://[^\s/?#]+\S*|/(?!/)\S*")
_FORM_ONLY = ("allowed_origins", "redirect", "error_redirect", "honeypot", "language")


class Endpoint(Section):
    """One sender's address: `POST /v1/channels/<unit>/<endpoint>`. The endpoint's name is the sender's name."""

    adapter: AdapterName
    channel: Name
    secret: SecretName | None = None
    verify_token: SecretName | None = None
    verification: VerificationName | None = None
    mapping: dict[Name, Name | tuple[Name, ...]] = Field(default_factory=dict)
    constants: dict[Name, str] = Field(default_factory=dict)
    events: dict[Name, Name] = Field(default_factory=dict)
    country: Country | None = None
    replay_window_seconds: Annotated[int, Field(ge=30, le=3600)] = 300
    rate_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 120

    allowed_origins: tuple[str, ...] = ()
    redirect: str | None = None
    error_redirect: str | None = None
    honeypot: Name | None = None
    language: Literal["en", "fa", "he"] | None = None

    @model_validator(mode="after")
    def _meta_asks_with_a_token(self) -> Endpoint:
        if (self.adapter == "meta_lead_ads") != (self.verify_token is not None):
            raise ValueError(
                "verify_token is what Meta asks with before it sends: meta_lead_ads needs it, nobody else does"
            )
        return self

    @model_validator(mode="after")
    def _mail_is_not_signed(self) -> Endpoint:
        if self.adapter == "email" and self.verification not in (None, "open", "api_key"):
            raise ValueError("a mail gateway has a key of ours: of a long message only the beginning is read")
        return self

    @model_validator(mode="after")
    def _forms_say_who_may_post(self) -> Endpoint:
        if self.adapter != "form":
            if self.verification == "open":
                raise ValueError("only a form is open to everybody; let the sender sign, or give it an API key")
            given = [name for name in _FORM_ONLY if name in self.model_fields_set]
            if given:
                raise ValueError(f"{', '.join(given)} is for the adapter form")
            return self
        if self.verification not in (None, "open") or self.secret is not None:
            raise ValueError("a form is open to everybody: it has no secret and no verification")
        if not self.allowed_origins:
            raise ValueError("a form needs allowed_origins: the sites it stands on, or '*' for any")
        for origin in self.allowed_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin; write one such as https://www.example.com, or '*'")
        for page in (self.redirect, self.error_redirect):
            if page is not None and not _PAGE.fullmatch(page):
                raise ValueError(f"{page!r} is no page; write https://… or a path such as /thanks")
        return self

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of the secrets it takes to trust this sender."""
        return tuple(name for name in (self.secret, self.verify_token) if name is not None)
