"""Where the services are and how to be let in: the environment first, else what the embedded run has written."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from shared.cli.local.credentials import (
    API_TOKEN,
    CAPTURE_KEY,
    DATABASE_PASSWORD,
    IDENTITY_SECRET,
    read_credentials,
)
from shared.cli.local.run_directory import SERVICES, run_directory
from shared.kit.errors import LeadflowError

DATABASE_URL = "LEADFLOW_DATABASE_URL"
KAFKA_BOOTSTRAP = "LEADFLOW_KAFKA_BOOTSTRAP"
DEFAULT_PORTS = {"capture": 8001, "scoring": 8002, "pipeline": 8003, "metrics": 8004}


class NothingKnown(LeadflowError):
    """Neither the environment nor an embedded run says where to go. Names the variables."""


@dataclass(frozen=True, slots=True)
class CliSettings:
    """The four addresses, without a slash at the end, and the two credentials; a missing credential is empty."""

    capture_url: str
    scoring_url: str
    pipeline_url: str
    metrics_url: str
    capture_key: str = field(repr=False)
    api_token: str = field(repr=False)

    def url(self, service: str) -> str:
        """One service's address by its name."""
        return {
            "capture": self.capture_url,
            "scoring": self.scoring_url,
            "pipeline": self.pipeline_url,
            "metrics": self.metrics_url,
        }[service]


def cli_settings() -> CliSettings:
    """What the command line needs to know, read now. `LEADFLOW_<SERVICE>_URL` names a service elsewhere."""
    directory = run_directory()
    ports = {**DEFAULT_PORTS, **directory.remembered_ports()}
    urls = {}
    for service in SERVICES:
        port = os.environ.get(f"{service.upper()}_PORT") or ports[service]
        given = os.environ.get(f"LEADFLOW_{service.upper()}_URL")
        urls[service] = (given or f"http://127.0.0.1:{port}").rstrip("/")
    names = (CAPTURE_KEY, API_TOKEN)
    told = {name: environment_value(name) for name in names}
    known = {} if all(told.values()) else read_credentials(directory.credentials)
    capture_key, api_token = (told[name] or known.get(name, "") for name in names)
    return CliSettings(
        capture_url=urls["capture"],
        scoring_url=urls["scoring"],
        pipeline_url=urls["pipeline"],
        metrics_url=urls["metrics"],
        capture_key=capture_key,
        api_token=api_token,
    )


@dataclass(frozen=True, slots=True)
class Servers:
    """The database and the cluster behind the services, and the two secrets every service needs."""

    database_url: str = field(repr=False)
    kafka_bootstrap: str
    api_token: str = field(repr=False)
    identity_secret: str = field(repr=False)
    embedded: bool

    def environment(self) -> dict[str, str]:
        """As the variables that services read."""
        return {
            DATABASE_URL: self.database_url,
            KAFKA_BOOTSTRAP: self.kafka_bootstrap,
            API_TOKEN: self.api_token,
            IDENTITY_SECRET: self.identity_secret,
        }


def servers() -> Servers:
    """The servers that the environment names, else those of the embedded run. Raises `NothingKnown` without either."""
    directory = run_directory()
    database_url, kafka_bootstrap = environment_value(DATABASE_URL), environment_value(KAFKA_BOOTSTRAP)
    embedded = not database_url and not kafka_bootstrap
    credentials = read_credentials(directory.credentials) if embedded else {}
    if embedded:
        ports = directory.remembered_ports()
        if "postgres" not in ports or DATABASE_PASSWORD not in credentials:
            raise NothingKnown(
                f"There is no embedded run in {directory.path} and the environment names no servers. "
                f"Start one with `make up`, or set {DATABASE_URL} and {KAFKA_BOOTSTRAP}."
            )
        database_url = f"postgresql://leadflow:{credentials[DATABASE_PASSWORD]}@127.0.0.1:{ports['postgres']}/leadflow"
        kafka_bootstrap = f"127.0.0.1:{ports['kafka']}"
    return Servers(
        database_url=database_url,
        kafka_bootstrap=kafka_bootstrap,
        api_token=environment_value(API_TOKEN) or credentials.get(API_TOKEN, ""),
        identity_secret=environment_value(IDENTITY_SECRET) or credentials.get(IDENTITY_SECRET, ""),
        embedded=embedded,
    )


def environment_value(name: str) -> str:
    """A variable, or the content of the file that `<NAME>_FILE` names; empty when there is neither."""
    value = os.environ.get(name)
    if value:
        return value
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise NothingKnown(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from None
