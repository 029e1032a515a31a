"""CAPTURE_* variables."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from services.capture.domain.keys import SCOPES, SENDER, ApiKey, unknown_scopes
from shared.kit.settings import PersonalSettings

LIVE_SECRETS = 2
"""How many secrets of one name are live while one takes over from the other."""

MIN_SECRET_CHARACTERS = 8

_SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
_ENTRY = re.compile(rf"(?P<sender>{SENDER.pattern})=(?P<digest>[0-9a-f]{{64}})(?::(?P<scopes>[a-z+]+))?")


def parse_keys(text: str) -> dict[str, ApiKey]:
    """Keys by digest, from comma-separated `sender=sha256hex[:scope+scope]`; without scopes a key may write.
    Raises `ValueError` that names the entry by its place, never by its content."""
    keys: dict[str, ApiKey] = {}
    for place, entry in enumerate((part.strip() for part in text.split(",") if part.strip()), start=1):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ValueError(f"entry {place} is not sender=sha256hex[:scope+scope]; hash the key with SHA-256 first")
        scopes = frozenset((match["scopes"] or "write").split("+"))
        if unknown := unknown_scopes(scopes):
            raise ValueError(f"entry {place} has unknown scopes: {len(unknown)}; there are {', '.join(SCOPES)}")
        if match["digest"] in keys:
            raise ValueError(f"entry {place} repeats the digest of an entry before it")
        keys[match["digest"]] = ApiKey(match["sender"], match["digest"], scopes)
    return keys


def parse_channel_secrets(text: str) -> dict[str, tuple[str, ...]]:
    """Secrets by name, from `NAME=secret` entries parted by white space; a name given twice has two live secrets, the
    newest first. Raises `ValueError` that names the entry by its place, never by its content."""
    secrets: dict[str, tuple[str, ...]] = {}
    for place, entry in enumerate(text.split(), start=1):
        name, _, secret = entry.partition("=")
        if not _SECRET_NAME.fullmatch(name) or len(secret) < MIN_SECRET_CHARACTERS:
            raise ValueError(
                f"entry {place} is not NAME=secret with a name of capitals, digits and _ and a secret of at least "
                f"{MIN_SECRET_CHARACTERS} characters, none of them white space"
            )
        secrets[name] = (*secrets.get(name, ()), secret)
        if len(secrets[name]) > LIVE_SECRETS:
            raise ValueError(
                f"entry {place} is one more than the {LIVE_SECRETS} secrets a name may have; remove the oldest"
            )
    return secrets


class CaptureSettings(PersonalSettings):
    """What capture is told. Limits are per process."""

    model_config = SettingsConfigDict(env_prefix="CAPTURE_", extra="ignore", populate_by_name=True)

    port: int = Field(8001, ge=0, le=65535, description="The port it listens on; 0 is any that is free.")
    keys: str = Field(
        "", repr=False, description="Who may send from the start: sender=sha256hex[:scope+scope], by comma."
    )
    keys_refresh_seconds: float = Field(1.0, gt=0, le=60, description="How often keys of the database are looked at.")
    keys_snapshot: Path | None = Field(
        None, description="A file for the digests of keys, for starts without a database."
    )
    receipts: bool = Field(True, description="Whether this process reads its topic back, for reconciliation.")
    receipts_days: int = Field(30, ge=1, description="How long receipts are kept; the topic keeps events as long.")
    counts_days: int = Field(400, ge=1, description="How long counts by quarters of an hour are kept.")
    batch_max_records: int = Field(
        1_000, ge=1, le=10_000, description="How many records one transaction takes at most."
    )
    channel_secrets: SecretStr = Field(
        SecretStr(""), description="What senders of channels prove themselves with: NAME=secret, by spaces."
    )
    rate_per_second: float = Field(0.0, ge=0, description="Leads and interactions per key and second; 0 is no limit.")
    rate_burst_seconds: float = Field(5.0, gt=0, description="How many seconds' worth a key may save up.")
    max_body_bytes: int = Field(256 * 1024, ge=1024, le=512 * 1024, description="How large one record may be.")
    max_batch_bytes: int = Field(8 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="How large a batch may be.")
    max_email_bytes: int = Field(
        40 * 1024 * 1024, ge=1024, le=256 * 1024 * 1024, description="How large an e-mail may be."
    )
    max_batch_items: int = Field(5_000, ge=1, le=20_000, description="How many records a batch may have.")
    max_inflight_requests: int = Field(1_000, ge=1, description="How many are answered at once; more get 503.")
    max_inflight_bytes: int = Field(
        128 * 1024 * 1024, ge=1024 * 1024, description="How much all requests at work may hold."
    )
    memory_bytes: int = Field(64 * 1024 * 1024, ge=0, description="For what senders said under their own ids.")
    memory_hours: float = Field(24.0, gt=0, description="How long at most that is remembered.")
    quarantine_days: float = Field(30.0, gt=0, description="How long what could not be taken is kept to be mended.")
    quarantine_bytes: int = Field(1024**3, ge=0, description="How much of it is kept at once; 0 keeps nothing.")
    body_timeout_seconds: float = Field(10.0, gt=0, description="How long a body may take to arrive.")
    produce_deadline_seconds: float = Field(4.0, gt=0, description="How long the log may take to have an event.")

    spool_dir: Path | None = Field(None, description="Where events are kept while the log is away; empty is nowhere.")
    spool_max_bytes: int = Field(1024 * 1024 * 1024, ge=1024 * 1024, description="What its files may take; then 507.")
    spool_after_seconds: float = Field(1.0, gt=0, description="How long an event is offered to the log first.")
    spool_drain_per_second: int = Field(
        1_000, ge=1, le=1_000_000, description="How many events a second the log gets back."
    )
    spool_max_age_seconds: float = Field(3600.0, gt=0, description="An alert says when an event waits longer.")

    spool_aside_days: float = Field(30.0, gt=0, description="How long files are kept that wait there for a person.")

    upload_dir: Path | None = Field(None, description="Where uploaded files are kept until they are in; empty is off.")
    upload_max_bytes: int = Field(
        200 * 1024 * 1024, ge=1024, le=4 * 1024**3, description="How large a file may be as it is sent."
    )
    upload_seconds: float = Field(900.0, gt=0, description="How long an upload may take to arrive.")
    upload_rows_per_second: float = Field(1_000.0, gt=0, le=100_000, description="How fast files are imported.")
    upload_file_hours: float = Field(
        72.0, ge=0, le=24 * 90, description="How long an uploaded file is kept after its end."
    )
    upload_report_days: float = Field(30.0, ge=1, le=3650, description="How long an upload and its report are kept.")

    @field_validator("spool_dir", "upload_dir", mode="before")
    @classmethod
    def _empty_is_nowhere(cls, value: object) -> object:
        return value or None

    @field_validator("keys")
    @classmethod
    def _keys_can_be_read(cls, text: str) -> str:
        parse_keys(text)
        return text

    @cached_property
    def api_keys(self) -> dict[str, ApiKey]:
        """The keys by their SHA-256 digest."""
        return parse_keys(self.keys)

    @field_validator("channel_secrets")
    @classmethod
    def _secrets_can_be_read(cls, text: SecretStr) -> SecretStr:
        parse_channel_secrets(text.get_secret_value())
        return text

    @cached_property
    def secrets_by_name(self) -> dict[str, tuple[str, ...]]:
        """The live secrets of each name, newest first."""
        return parse_channel_secrets(self.channel_secrets.get_secret_value())
