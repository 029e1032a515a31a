"""Configuration is read once, from the environment, and fails at the door with everything that is wrong with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.kit.errors import LeadflowError


class InvalidSettings(LeadflowError):
    """The environment does not describe a service that could run. Names every variable at fault."""


def _shared(name: str) -> AliasChoices:
    return AliasChoices(f"LEADFLOW_{name}")


class _SecretFiles(PydanticBaseSettingsSource):
    """`NAME_FILE` names a file that holds the value of `NAME`, as orchestrators mount secrets."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        prefix = self.config.get("env_prefix", "")
        values: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            alias = field.validation_alias
            variable = alias.choices[0] if isinstance(alias, AliasChoices) else f"{prefix}{name}".upper()
            path = os.environ.get(f"{variable}_FILE")
            if path:
                values[str(variable) if alias else name] = Path(path).read_text(encoding="utf-8").strip()
        return values


class ServiceSettings(BaseSettings):
    """What every service is told: `LEADFLOW_*` is the same for all, `<SERVICE>_*` is its own."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    database_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=_shared("DATABASE_URL"),
        description="PostgreSQL: postgresql://user:password@host:5432/leadflow, encoded in UTF8.",
    )
    database_direct_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=_shared("DATABASE_DIRECT_URL"),
        description="The same database without a pooler of transactions, for what holds a lock of its session.",
    )
    kafka_bootstrap: str = Field(
        "127.0.0.1:9092", validation_alias=_shared("KAFKA_BOOTSTRAP"), description="Brokers, host:port, by comma."
    )
    api_token: SecretStr = Field(
        validation_alias=_shared("API_TOKEN"), min_length=16, description="What operators and other services send."
    )
    privacy_token: SecretStr = Field(
        SecretStr(""),
        validation_alias=_shared("PRIVACY_TOKEN"),
        description="What those send who may erase and export people; empty: the API token.",
    )
    identity_secret: SecretStr = Field(
        validation_alias=_shared("IDENTITY_SECRET"),
        min_length=16,
        description="Decides every lead id; never change it.",
    )
    policy_file: Path = Field(
        Path("policy.yaml"), validation_alias=_shared("POLICY_FILE"), description="The policy, read at start."
    )
    log_level: str = Field(
        "INFO",
        validation_alias=_shared("LOG_LEVEL"),
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="What is logged from.",
    )

    host: str = Field("127.0.0.1", description="The address it listens on.")
    port: int = Field(0, ge=0, le=65535, description="The port it listens on; 0 is any that is free.")
    group_instance_id: str | None = Field(
        None, description="What this replica is called in its consumer group, stable over restarts; none is none."
    )
    database_pool_size: int = Field(8, ge=2, le=100, description="How many connections to the database at most.")
    database_prepare_after: int = Field(
        3,
        ge=0,
        le=1000,
        validation_alias=_shared("DATABASE_PREPARE_AFTER"),
        description="How often a statement comes before it is prepared; 0 prepares none, for poolers of transactions.",
    )
    statement_timeout_seconds: float = Field(25.0, gt=0, description="Shorter than a stall: what ends is told why.")
    idle_in_transaction_timeout_seconds: float = Field(
        10.0, gt=0, description="How long a transaction may do nothing before the database ends it."
    )
    batch_max_records: int = Field(1000, ge=1, le=10_000, description="How many records one transaction takes at most.")
    session_timeout_seconds: float = Field(
        10.0, ge=1, description="After how long without a sign of life a replica's partitions are given to others."
    )
    rebalance_timeout_seconds: float = Field(
        30.0, ge=1, description="How long replicas have to let go of partitions; half of it is for the batch in hand."
    )
    idle_fetch_pause_seconds: float = Field(
        0.0, ge=0, le=1, description="A rest between fetches of nothing, for brokers that answer those at once."
    )
    stall_timeout_seconds: float = Field(
        30.0, ge=1, description="How long work may stand still before the process, or its consumer, is begun anew."
    )
    dead_letter_budget: int = Field(
        100, ge=1, description="More dead letters than this in the window stop the consumer."
    )
    dead_letter_window_seconds: float = Field(
        600.0, gt=0, description="For how long a dead letter counts in the budget."
    )
    shutdown_timeout_seconds: float = Field(
        10.0, gt=0, description="How long requests and the batch in hand have to end when it is told to stop."
    )
    drain_seconds: float = Field(
        0.0,
        ge=0,
        description="How long it says that it is not ready, and answers, before it stops: for load balancers.",
    )

    @field_validator("privacy_token")
    @classmethod
    def _is_long_enough(cls, token: SecretStr) -> SecretStr:
        if 0 < len(token.get_secret_value()) < 16:
            raise ValueError("has fewer than 16 characters")
        return token

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls)


class PersonalSettings(ServiceSettings):
    """What services are told beside that which read records that say who they are about, and so have to let go of it."""

    dead_letter_personal_days: float = Field(30.0, gt=0, description="How long dead letters say who they are about.")


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def read_settings(settings_class: type[SettingsT], **given: Any) -> SettingsT:
    """The environment as settings. Raises `InvalidSettings` with all faults at once, and never a secret's value."""
    try:
        return settings_class(**given)
    except ValidationError as error:
        prefix = str(settings_class.model_config.get("env_prefix", ""))
        faults = []
        for fault in error.errors(include_input=False, include_url=False):
            place = str(fault["loc"][0]) if fault["loc"] else "environment"
            name = place if place.isupper() else f"{prefix}{place}".upper()
            faults.append(f"{name}: {fault['msg']}")
        raise InvalidSettings("These environment variables need mending:\n  " + "\n  ".join(faults)) from None
    except OSError as error:
        raise InvalidSettings(f"A secret's file cannot be read: {error.filename}: {error.strerror}") from None


def redacted(settings: ServiceSettings) -> Mapping[str, str]:
    """Each setting by its environment variable, secrets as stars."""
    prefix = str(type(settings).model_config.get("env_prefix", ""))
    shown = {}
    for name, field in type(settings).model_fields.items():
        alias = field.validation_alias
        variable = alias.choices[0] if isinstance(alias, AliasChoices) else f"{prefix}{name}".upper()
        shown[str(variable)] = str(getattr(settings, name))
    return shown


def or_exit(settings_class: type[SettingsT]) -> SettingsT:
    """The settings, or the end of the process with a message for whoever started it."""
    try:
        return read_settings(settings_class)
    except InvalidSettings as error:
        sys.exit(str(error))
