"""What pipeline is told by its environment: `PIPELINE_*` beside what every service is told."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parseaddr
from ipaddress import ip_network

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from services.pipeline.domain.claims import read_meanings
from services.pipeline.domain.mail_server import Server
from services.pipeline.domain.webhook_rules import Patience
from shared.contracts.standard_webhooks import signing_key
from shared.kit.oidc import ALGORITHMS
from shared.kit.outside import Rules
from shared.kit.settings import PersonalSettings


class PipelineSettings(PersonalSettings):
    """Where pipeline listens and how it works."""

    model_config = SettingsConfigDict(env_prefix="PIPELINE_", extra="ignore", populate_by_name=True)

    port: int = Field(8003, ge=0, le=65535, description="The port it listens on; 0 is any that is free.")
    tokens_refresh_seconds: float = Field(1.0, gt=0, le=60, description="How often changed API tokens are looked for.")
    oidc_issuer: str = Field("", description="The identity provider, as `iss` names it; empty is none.")
    oidc_audience: str = Field("", description="For whom tokens are made, as `aud` names it; several by spaces.")
    oidc_jwks_url: str = Field("", description="Where its keys are; empty asks its discovery document.")
    oidc_algorithms: str = Field("RS256 ES256", description="How tokens may be signed.")
    oidc_leeway_seconds: float = Field(30.0, ge=0, le=300, description="How far its clock may be from ours.")
    oidc_subject_claim: str = Field("sub", min_length=1, description="Who somebody is, as routing knows them.")
    oidc_roles_claim: str = Field("roles", min_length=1, description="What somebody is; dots lead inside.")
    oidc_units_claim: str = Field("business_units", min_length=1, description="Where; `*` is everywhere.")
    oidc_roles: str = Field("", description="What roles and groups are here: GROUP=ROLE or GROUP=ROLE@UNIT+UNIT.")
    stranded_interval_seconds: float = Field(
        1.0, gt=0, description="How often events are looked at that began to wait as their lead became known."
    )
    timer_interval_seconds: float = Field(0.25, gt=0, description="How often what is due is looked at.")
    matching_interval_seconds: float = Field(
        1.0, gt=0, description="How often leads that may be one person are looked for."
    )
    hygiene_interval_seconds: float = Field(
        21_600.0, gt=0, description="How long after one look at all leads' records began the next one does."
    )
    bulk_items_per_second: float = Field(
        50.0, gt=0, description="How many leads of a bulk job are worked on in a second, at most."
    )
    waiting_personal_days: float = Field(
        30.0, gt=0, description="How long what waits for its lead still says who it is about."
    )
    idempotency_days: float = Field(
        30.0, gt=0, description="How long an Idempotency-Key is known with what was asked for under it."
    )
    webhook_interval_seconds: float = Field(0.25, gt=0, description="How often deliveries that are due are looked at.")
    webhook_concurrency: int = Field(32, ge=1, le=500, description="Deliveries under way at once, of one process.")
    webhook_endpoint_concurrency: int = Field(4, ge=1, le=100, description="The same, to one endpoint.")
    webhook_timeout_seconds: float = Field(15.0, gt=0, le=120, description="How long a receiver may take to answer.")
    webhook_retry_seconds: str = Field(
        "5,30,120,600,3600,10800,21600,43200,86400",
        description="After how long a delivery is tried again, the first time, the second, …; then it is dead.",
    )
    webhook_disable_after_hours: float = Field(
        120.0, gt=0, description="An endpoint that failed for so long, and took nothing, is disabled."
    )
    webhook_keep_days: float = Field(30.0, gt=0, description="How long it is known how deliveries ended.")
    webhook_vouch_days: float = Field(
        90.0, gt=0, description="Pause a webhook whose person of the identity provider was not seen for so long."
    )
    webhook_http_loopback: bool = Field(False, description="Whether plain http to this machine is allowed.")
    webhook_networks: str = Field("", description="Networks that are not public and may be sent to: 10.1.0.0/16, …")
    mail_smtp_url: SecretStr = Field(SecretStr(""), description="smtp://user:password@mail.example:587, or smtps://…")
    mail_provider_url: str = Field("", description="Where messages are posted instead, signed, by https.")
    mail_provider_secret: SecretStr = Field(SecretStr(""), description="What signs them: whsec_ and base64.")
    mail_from: str = Field("", description="Whom messages are from: Acme <hello@acme.example>.")
    mail_unsubscribe_url: str = Field(
        "",
        description="Where people reach this service's /unsubscribe, by https: one click there and they get no more.",
    )
    mail_unsubscribe: str = Field("", description="mailto: or https: for List-Unsubscribe; may hold {message_id}.")
    mail_retry_seconds: str = Field(
        "30,120,600,1800,3600,7200,14400",
        description="After how long a message that was not taken is sent again; then a person sees to it.",
    )
    mail_interval_seconds: float = Field(0.5, gt=0, description="How often messages that are due are looked at.")

    @field_validator("oidc_roles")
    @classmethod
    def _roles_can_be_read(cls, text: str) -> str:
        read_meanings(text)
        return text

    @field_validator("oidc_algorithms")
    @classmethod
    def _algorithms_prove_something(cls, text: str) -> str:
        if not text.split() or not set(text.split()) <= ALGORITHMS:
            raise ValueError(f"must be some of {', '.join(sorted(ALGORITHMS))}")
        return text

    @model_validator(mode="after")
    def _issuer_makes_tokens_for_us(self) -> PipelineSettings:
        if self.oidc_issuer and not self.oidc_audience.split():
            raise ValueError("PIPELINE_OIDC_AUDIENCE is needed: else any token of the issuer would do")
        return self

    @field_validator("webhook_retry_seconds", "mail_retry_seconds")
    @classmethod
    def _is_a_schedule(cls, text: str) -> str:
        if any(seconds < 0 for seconds in _numbers(text)):
            raise ValueError("has a negative number")
        return text

    @field_validator("webhook_networks")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        for one in _words(text):
            ip_network(one)
        return text

    @field_validator("mail_smtp_url")
    @classmethod
    def _is_a_mail_server(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value():
            Server.of(url.get_secret_value())
        return url

    @field_validator("mail_provider_secret")
    @classmethod
    def _has_a_key(cls, secret: SecretStr) -> SecretStr:
        signing_key(secret.get_secret_value())
        return secret

    @model_validator(mode="after")
    def _can_send(self) -> PipelineSettings:
        if (self.mail_smtp_url.get_secret_value() or self.mail_provider_url) and "@" not in parseaddr(self.mail_from)[
            1
        ]:
            raise ValueError(
                "PIPELINE_MAIL_FROM is no address; write whom messages are from: Acme <hello@acme.example>"
            )
        if self.mail_provider_url and not self.mail_provider_secret.get_secret_value():
            raise ValueError(
                "PIPELINE_MAIL_PROVIDER_SECRET is missing: what is posted to the provider has to be signed"
            )
        return self

    @property
    def mail_schedule(self) -> tuple[timedelta, ...]:
        """How often messages are tried."""
        return tuple(timedelta(seconds=seconds) for seconds in _numbers(self.mail_retry_seconds))

    @property
    def webhook_rules(self) -> Rules:
        """Where webhooks may go."""
        networks = tuple(ip_network(one) for one in _words(self.webhook_networks))
        return Rules(self.webhook_http_loopback, networks)

    @property
    def webhook_patience(self) -> Patience:
        """How often and how long deliveries are tried."""
        schedule = tuple(timedelta(seconds=seconds) for seconds in _numbers(self.webhook_retry_seconds))
        return Patience(schedule, timedelta(hours=self.webhook_disable_after_hours))


def _words(text: str) -> list[str]:
    return [one for one in text.replace(",", " ").split() if one]


def _numbers(text: str) -> list[float]:
    return [float(one) for one in _words(text)]
