"""METRICS_* variables."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from shared.contracts.standard_webhooks import signing_key
from shared.kit.outside import Rules
from shared.kit.settings import ServiceSettings


class MetricsSettings(ServiceSettings):
    """What metrics is told beside what every service is."""

    model_config = SettingsConfigDict(env_prefix="METRICS_")

    pipeline_url: str = Field(
        "", description="Where pipeline is, which knows whose token is whose; empty: only the deployment's is known."
    )
    port: int = Field(8004, ge=0, le=65535, description="The port it listens on; 0 is any that is free.")
    batch_max_records: int = Field(500, ge=1, le=10_000, description="How many records one transaction takes at most.")
    freezing_interval_seconds: float = Field(
        60.0, gt=0, description="How often it is looked whether to freeze something."
    )
    findings_interval_seconds: float = Field(
        60.0, gt=0, description="How often it is looked whether to look for findings."
    )
    findings_after_seconds: float = Field(
        300.0, ge=0, description="How long after its start metrics looks for findings first."
    )
    findings_again_seconds: float = Field(
        6 * 3600.0, gt=0, description="How often it is looked for findings of the same midnight, for what is told late."
    )
    rebuild_interval_seconds: float = Field(5.0, gt=0, description="How often a rebuild is looked for.")
    snapshot_seconds: float = Field(0.5, gt=0, description="How old the numbers on /metrics may be.")
    merge_interval_seconds: float = Field(
        1.0, gt=0, description="How often it is looked whether sketches are to be merged."
    )
    merge_at_least: int = Field(5_000, ge=1, description="How many changes are worth merging sketches for.")
    merge_within_seconds: float = Field(60.0, gt=0, description="How long fewer of them wait.")
    public_url: str = Field(
        "", description="Where people reach this API, for links in reports; empty: as they came in."
    )
    reports_dir: Path | None = Field(None, description="Below this, reports are put into folders; none: into none.")
    report_secrets: SecretStr = Field(
        SecretStr(""),
        description="What signs reports that are posted: NAME=whsec_…, by spaces; a name twice signs with both.",
    )
    reports_interval_seconds: float = Field(20.0, gt=0, description="How often it is looked which reports are due.")
    webhook_timeout_seconds: float = Field(30.0, gt=0, le=120, description="How long a receiver may take to answer.")
    webhook_http_loopback: bool = Field(False, description="Whether plain http to this machine is allowed.")
    webhook_networks: str = Field("", description="Networks that are not public and may be sent to: 10.1.0.0/16, …")

    @field_validator("webhook_networks")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        for one in text.replace(",", " ").split():
            ip_network(one)
        return text

    @field_validator("reports_dir", mode="before")
    @classmethod
    def _nothing_is_no_folder(cls, folder: Any) -> Any:
        return folder or None

    @field_validator("report_secrets")
    @classmethod
    def _are_secrets(cls, secrets: SecretStr) -> SecretStr:
        for one in secrets.get_secret_value().split():
            name, _, secret = one.partition("=")
            if not name or len(secret) < 16:
                raise ValueError("has a part that is not NAME=secret with 16 characters or more")
            signing_key(secret)
        return secrets

    @property
    def webhook_rules(self) -> Rules:
        """Where reports may be posted to."""
        networks = tuple(ip_network(one) for one in self.webhook_networks.replace(",", " ").split())
        return Rules(self.webhook_http_loopback, networks)

    @property
    def secrets_of_reports(self) -> dict[str, list[str]]:
        """The secrets of each name, the first one first."""
        found: dict[str, list[str]] = {}
        for one in self.report_secrets.get_secret_value().split():
            name, _, secret = one.partition("=")
            found.setdefault(name, []).append(secret)
        return found
