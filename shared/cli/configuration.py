"""`leadflow config print`: what each service would run with, secrets hidden."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.local.run_directory import SERVICES, run_directory
from shared.cli.settings import CliSettings, NothingKnown, cli_settings, servers

HIDDEN = "**********"
DIGEST = re.compile(r"\b[0-9a-f]{64}\b")

console = Console(highlight=False)
app = typer.Typer(help="Show the configuration.", no_args_is_help=True)


@app.callback()
def config() -> None:
    """Show the configuration."""


@app.command("print")
def print_configuration(
    service: Annotated[str | None, typer.Argument(help=f"One of {', '.join(SERVICES)}; all when left out.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Print the effective settings, secrets hidden."""
    if service is not None and service not in SERVICES:
        raise typer.BadParameter(f"there is no service {service!r}; there are {', '.join(SERVICES)}")
    shown = {} if service else {"command line": command_line(cli_settings())}
    for name in [service] if service else SERVICES:
        shown[name] = service_settings(name)
    if as_json:
        console.print_json(json.dumps(shown))
        return
    for name, settings in shown.items():
        table = Table("variable", "value", title=name, title_justify="left")
        for variable, value in settings.items():
            table.add_row(variable, escape(value))
        console.print(table)


def command_line(settings: CliSettings) -> dict[str, str]:
    """What the command line itself uses."""
    directory = run_directory()
    return {
        "LEADFLOW_HOME": str(directory.path),
        **{f"LEADFLOW_{name.upper()}_URL": settings.url(name) for name in SERVICES},
        "LEADFLOW_CAPTURE_KEY": HIDDEN if settings.capture_key else "",
        "LEADFLOW_API_TOKEN": HIDDEN if settings.api_token else "",
    }


def service_settings(service: str) -> dict[str, str]:
    """What a service says it would run with, in this environment. Raises `NothingKnown` with what it says is wrong."""
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}", "config"],
        env=service_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode != 0:
        raise NothingKnown(f"{service} cannot run with this configuration:\n{(done.stderr or done.stdout).strip()}")
    settings = json.loads(done.stdout)
    return {str(name): DIGEST.sub(HIDDEN, redacted_url(str(value))) for name, value in settings.items()}


def redacted_url(value: str) -> str:
    """A value without the password of a URL in it."""
    return re.sub(r"(://[^:/@\s]*):[^@/\s]*@", rf"\1:{HIDDEN}@", value)


def service_environment() -> dict[str, str]:
    """The environment a service of the embedded run gets, or the present one where it names the servers."""
    known = servers()
    if not known.embedded:
        return dict(os.environ)
    from shared.cli.local.embedded import (
        remembered_installation,
    )  # needs the embedded extra, which an image does not have

    return remembered_installation(run_directory()).environment()
