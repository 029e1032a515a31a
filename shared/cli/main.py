"""`leadflow`: every command of the command line, each from the module that owns it."""

from __future__ import annotations

import importlib.util
import sys
from importlib import import_module

import typer
from rich.console import Console
from rich.markup import escape

from shared.kit.errors import LeadflowError

RUN = "Run it here"
USE = "Use it"
OPERATE = "Operate it"

LOCAL = {name: (RUN, f"local.commands:{name}") for name in ("up", "down", "reset", "status", "logs")}
"""The image of a deployment leaves the embedded run out."""

COMMANDS = {
    **(LOCAL if importlib.util.find_spec("supervisor") else {}),
    "doctor": (OPERATE, "doctor:doctor"),
    "config": (OPERATE, "configuration:app"),
    "migrate": (OPERATE, "cluster:migrate"),
    "topics": (OPERATE, "cluster:topics"),
    "demo": (USE, "demo:demo"),
    "import": (USE, "importing:app"),
    "upload": (USE, "uploads:upload"),
    "uploads": (USE, "uploads:app"),
    "report": (USE, "report:report"),
    "why": (USE, "why:why"),
    "targets": (USE, "targets:app"),
    "frozen": (USE, "frozen:app"),
    "findings": (USE, "noticed:app"),
    "export": (USE, "export:export"),
    "scoring": (USE, "scoring:app"),
    "audit": (USE, "audit:audit"),
    "rebuild": (OPERATE, "rebuild:rebuild"),
    "reconcile": (USE, "reconcile:reconcile"),
    "keys": (OPERATE, "keys:app"),
    "tokens": (OPERATE, "tokens:app"),
    "dead-letters": (OPERATE, "dead_letters:app"),
    "quarantine": (OPERATE, "quarantine:app"),
    "erase": (OPERATE, "people:erase"),
    "erasures": (OPERATE, "people:app"),
    "export-person": (OPERATE, "people:export_person"),
    "hygiene": (USE, "hygiene:app"),
    "policy": (OPERATE, "policies:app"),
    "marks": (USE, "marks:app"),
    "bulk": (USE, "bulk:app"),
    "match": (USE, "matching:app"),
    "webhooks": (OPERATE, "webhooks:app"),
}
"""By its name: where a command stands in the help, and the function or the group below `shared.cli` that it is."""


def command_line(wanted: str = "") -> typer.Typer:
    """The command line with the one command that is wanted, as all others would only be imported; with all of them where it is none."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_leadflow)
    for name in [wanted] if wanted in COMMANDS else COMMANDS:
        panel, place = COMMANDS[name]
        module, _, attribute = place.partition(":")
        found = getattr(import_module(f"shared.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name, rich_help_panel=panel)
        else:
            app.command(name, rich_help_panel=panel)(found)
    return app


def main() -> None:
    """Runs a command; an error we know ends it with a sentence instead of a trace."""
    try:
        command_line(sys.argv[1] if len(sys.argv) > 1 else "")()
    except LeadflowError as error:
        Console(stderr=True, highlight=False).print(f"[red]Error:[/] {escape(str(error))}")
        raise SystemExit(1) from None


def _leadflow() -> None:
    """Leadflow: every accepted lead is counted exactly once, and anyone can check it."""


if __name__ == "__main__":
    main()
