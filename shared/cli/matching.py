"""`leadflow match`: how people are recognised beyond exact identities."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

PROGRAM = (sys.executable, "-m", "services.pipeline.matching")
"""What compares is a process of its own, started by name: the command line imports no service."""

app = typer.Typer(help="See how well people are matched.", no_args_is_help=True)


@app.callback()
def match() -> None:
    """See how well people are matched."""


@app.command()
def evaluate(
    files: Annotated[list[Path], typer.Argument(help="CSV files, one person a row.", exists=True, dir_okay=False)],
    entity: Annotated[str | None, typer.Option(help="The column that says who is who; else from rec_id.")] = None,
    review_from: Annotated[float, typer.Option(min=0, max=1, help="Confidence from which a pair is shown.")] = 0.9,
    merge_from: Annotated[float, typer.Option(min=0, max=1, help="Confidence from which it is merged.")] = 0.9999,
    *,
    together: Annotated[bool, typer.Option("--together", help="All files are one set.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Match people of whom it is known who is who: candidate pairs, precision, recall, reduction ratio, seconds."""
    arguments = ["evaluate", *map(str, files), f"--review-from={review_from}", f"--merge-from={merge_from}"]
    if entity:
        arguments.append(f"--entity={entity}")
    arguments += ["--together"] * together + ["--json"] * as_json
    raise typer.Exit(subprocess.run([*PROGRAM, *arguments], check=False).returncode)
