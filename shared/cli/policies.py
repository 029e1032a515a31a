"""`leadflow policy`: whether a policy is understood, what holds now, and what a new one would have decided."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import yaml
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.exit_codes import FAILED_EXIT_CODE
from shared.cli.http import CommandFailed, ServiceClient, explained
from shared.cli.operating import operator_client
from shared.contracts.policy import Policy
from shared.kit.documents import understood

EVERY_SECONDS = 0.5
CHANGES_SHOWN = 10

app = typer.Typer(help="Check a policy, and try a new one out on history.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A policy.yaml.", exists=True, dir_okay=False)]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.callback()
def policy() -> None:
    """Check a policy, and try a new one out on history."""


@app.command()
@explained
def check(file: File) -> None:
    """Say whether a policy is understood, and what is wrong on which line. Asks nobody."""
    console = Console(highlight=False)
    found, faults = understood(file.read_text(encoding="utf-8"), Policy)
    for fault in faults:
        console.print(f"{file}:{fault.line}: {escape(fault.place)}: {escape(fault.problem)}", soft_wrap=True)
    if found is None:
        raise typer.Exit(FAILED_EXIT_CODE)
    units = ", ".join(sorted(found.business_units)) or "no unit of its own"
    console.print(f"{file} is version {escape(found.version)} with {escape(units)}. Nothing is wrong with it.")


@app.command()
@explained
def show(
    unit: Annotated[str, typer.Option("--unit", help="A business unit.")] = "default", *, as_json: AsJson = False
) -> None:
    """Print what holds for a unit now, its own sections and the defaults together."""
    found = asyncio.run(_show(unit))
    if as_json:
        _print_json(found)
        return
    sys.stdout.write(f"# version {found['version']}, unit {found['business_unit']}\n")
    sys.stdout.write(yaml.safe_dump(found["policy"], sort_keys=False, allow_unicode=True))


async def _show(unit: str) -> dict[str, Any]:
    async with operator_client("pipeline") as client:
        answer: dict[str, Any] = await client.get("/v1/policy", business_unit=unit)
        return answer


@app.command("dry-run")
@explained
def dry_run(
    file: File,
    unit: Annotated[str | None, typer.Option("--unit", help="Only leads of this business unit.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Count which leads a new policy would have qualified, beside the one of now and what became of them. Decides nothing."""
    text = file.read_text(encoding="utf-8")
    found, faults = understood(text, Policy)
    if found is None:
        told = "\n".join(f"{file}:{fault.line}: {fault.place}: {fault.problem}" for fault in faults)
        raise CommandFailed(told, "Mend the policy.", exit_code=FAILED_EXIT_CODE)
    job = asyncio.run(_dry_run(text, unit, quiet=as_json))
    if job["status"] != "done":
        raise CommandFailed(f"The dry run failed: {job['problem']}", exit_code=FAILED_EXIT_CODE)
    if as_json:
        _print_json(job)
        return
    console = Console(highlight=False)
    for part in shown(job):
        console.print(part)


async def _dry_run(text: str, unit: str | None, *, quiet: bool) -> dict[str, Any]:
    console = Console(stderr=True, quiet=quiet)
    async with operator_client("pipeline") as client:
        asked = {"document": text, **({"business_unit": unit} if unit else {})}
        job: dict[str, Any] = await client.post("/v1/policy:dry-run", asked)
        with console.status("asked for") as status:
            return await _until_done(client, job["job_id"], status.update)


async def _until_done(client: ServiceClient, job_id: str, tell: Any) -> dict[str, Any]:
    while True:
        job: dict[str, Any] = await client.get(f"/v1/policy/dry-runs/{job_id}")
        if job["status"] in ("done", "failed"):
            return job
        tell(f"{job['leads_done']:,} of {job['leads']:,} leads")
        await asyncio.sleep(EVERY_SECONDS)


def shown(job: Mapping[str, Any]) -> Iterator[str | Table]:
    """A dry run as a person reads it."""
    result = job["result"]
    total = result["total"]
    yield (
        f"Version {escape(job['version'])} on {total['leads']:,} leads: {total['before']:,} qualify now, {total['after']:,} then; "
        f"{total['newly']:,} newly, {total['no_longer']:,} no longer. Somebody is asked about {total['confirm_before']:,} now, "
        f"{total['confirm_after']:,} then."
    )
    yield (
        f"{total['converted']:,} became an opportunity: {_share(total, 'before')} of those that qualify now, "
        f"{_share(total, 'after')} of those that would then; {total['won']:,} were won."
    )
    for by in ("unit", "product", "grade"):
        if len(result[f"by_{by}"]) < 2:
            continue
        table = Table(by, "leads", "now", "then", "newly", "no longer", "converted now", "then", box=SIMPLE_HEAD)
        for name, cell in result[f"by_{by}"].items():
            numbers = (f"{cell[one]:,}" for one in ("leads", "before", "after", "newly", "no_longer"))
            table.add_row(escape(name), *numbers, _share(cell, "before"), _share(cell, "after"))
        yield table
    for one in result["changes"][:CHANGES_SHOWN]:
        yield f"{one['lead_id']}: {_verdict(one['before'])} → {_verdict(one['after'])}"


def _share(cell: Mapping[str, int], side: str) -> str:
    return f"{cell[f'converted_{side}'] / cell[side]:.1%}" if cell[side] else "–"


def _verdict(met: Mapping[str, Any] | None) -> str:
    if met is None:
        return "no"
    return escape(f"{'to be confirmed' if met['confirm'] else 'yes'} ({met['reason']})")


def _print_json(document: Mapping[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
