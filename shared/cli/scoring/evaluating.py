"""`leadflow scoring evaluate`: how well the learner would do on a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared.cli.scoring.learner import run_learner

WITH_COMMAS = "with commas between"


def evaluate(
    file: Annotated[Path, typer.Argument(help="A CSV file, one lead a row.", exists=True, dir_okay=False)],
    outcome: Annotated[str, typer.Option(help="The column that says whether the outcome followed.")] = "",
    mapping: Annotated[
        Path | None, typer.Option(help="A YAML file that says what the columns are.", exists=True, dir_okay=False)
    ] = None,
    time: Annotated[str | None, typer.Option(help="A column that says when: learn from earlier, judge later.")] = None,
    leave_out: Annotated[str, typer.Option(help=f"Columns not known at the time, {WITH_COMMAS}.")] = "",
    keep: Annotated[str, typer.Option(help=f"Columns that only look like identifiers, {WITH_COMMAS}.")] = "",
    missing: Annotated[str, typer.Option(help=f"More values that mean `not answered`, {WITH_COMMAS}.")] = "",
    test: Annotated[Path | None, typer.Option(help="Judge on this file, which is not learned from.")] = None,
    scores: Annotated[Path | None, typer.Option(help="Write there what is said of each row of the test file.")] = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts that are judged in turn.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="How often, each time with other parts.")] = 5,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Judge the learner on a file of leads whose outcome is known, beside naive Bayes."""
    given: dict[str, object] = {
        "outcome": outcome,
        "mapping": mapping,
        "time": time,
        "leave-out": leave_out,
        "keep": keep,
        "missing": missing,
        "test": test,
        "scores": scores,
        "folds": folds,
        "seeds": seeds,
    }
    arguments = ["evaluate", str(file), *(f"--{name}={value}" for name, value in given.items() if value)]
    if as_json:
        arguments.append("--json")
    raise typer.Exit(run_learner(arguments))
