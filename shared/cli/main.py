"""`leadflow`: every command of the command line, each from the module that owns it."""

from __future__ import annotations

import importlib.util

import typer
from rich.console import Console
from rich.markup import escape

from shared.cli import (
    bulk,
    cluster,
    configuration,
    dead_letters,
    frozen,
    hygiene,
    importing,
    keys,
    marks,
    matching,
    noticed,
    people,
    policies,
    quarantine,
    scoring,
    targets,
    tokens,
    uploads,
    webhooks,
)
from shared.cli.audit import audit
from shared.cli.demo import demo
from shared.cli.doctor import doctor
from shared.cli.export import export
from shared.cli.rebuild import rebuild
from shared.cli.reconcile import reconcile
from shared.cli.report import report
from shared.cli.why import why
from shared.kit.errors import LeadflowError

app = typer.Typer(
    help="Leadflow: every accepted lead is counted exactly once, and anyone can check it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

RUN = "Run it here"
USE = "Use it"
OPERATE = "Operate it"

if importlib.util.find_spec("supervisor"):  # the image of a deployment leaves the embedded run out
    from shared.cli.local import commands as local

    for command in (local.up, local.down, local.reset, local.status, local.logs):
        app.command(rich_help_panel=RUN)(command)
app.command(rich_help_panel=OPERATE)(doctor)
app.add_typer(configuration.app, name="config", rich_help_panel=OPERATE)
app.command("migrate", rich_help_panel=OPERATE)(cluster.migrate)
app.add_typer(cluster.topics, name="topics", rich_help_panel=OPERATE)

app.command(rich_help_panel=USE)(demo)
app.add_typer(importing.app, name="import", rich_help_panel=USE)
app.command(rich_help_panel=USE)(uploads.upload)
app.add_typer(uploads.app, name="uploads", rich_help_panel=USE)
app.command(rich_help_panel=USE)(report)
app.command(rich_help_panel=USE)(why)
app.add_typer(targets.app, name="targets", rich_help_panel=USE)
app.add_typer(frozen.app, name="frozen", rich_help_panel=USE)
app.add_typer(noticed.app, name="findings", rich_help_panel=USE)
app.command(rich_help_panel=USE)(export)
app.add_typer(scoring.app, name="scoring", rich_help_panel=USE)
app.command(rich_help_panel=USE)(audit)
app.command(rich_help_panel=OPERATE)(rebuild)
app.command(rich_help_panel=USE)(reconcile)
app.add_typer(keys.app, name="keys", rich_help_panel=OPERATE)
app.add_typer(tokens.app, name="tokens", rich_help_panel=OPERATE)
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel=OPERATE)
app.add_typer(quarantine.app, name="quarantine", rich_help_panel=OPERATE)
app.command("erase", rich_help_panel=OPERATE)(people.erase)
app.add_typer(people.app, name="erasures", rich_help_panel=OPERATE)
app.command("export-person", rich_help_panel=OPERATE)(people.export_person)
app.add_typer(hygiene.app, name="hygiene", rich_help_panel=USE)
app.add_typer(policies.app, name="policy", rich_help_panel=OPERATE)
app.add_typer(marks.app, name="marks", rich_help_panel=USE)
app.add_typer(bulk.app, name="bulk", rich_help_panel=USE)
app.add_typer(matching.app, name="match", rich_help_panel=USE)
app.add_typer(webhooks.app, name="webhooks", rich_help_panel=OPERATE)


def main() -> None:
    """Runs a command; an error we know ends it with a sentence instead of a trace."""
    try:
        app()
    except LeadflowError as error:
        Console(stderr=True, highlight=False).print(f"[red]Error:[/] {escape(str(error))}")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
