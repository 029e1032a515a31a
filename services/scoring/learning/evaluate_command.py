"""`evaluate`: the learner on a file of leads whose outcome is known, in figures."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.scoring.learning.evaluation import Evaluation, Options, evaluate, told_of
from services.scoring.learning.files import check_columns, read_rows
from services.scoring.learning.sheet import PLACEHOLDERS
from shared.contracts.policy.section import Section
from shared.kit.documents import read_yaml

MEASURES = (
    ("auc", "AUC"),
    ("log_loss", "log-loss"),
    ("brier", "Brier"),
    ("ece", "ECE, ten ranges"),
    ("ece_by_decile", "ECE, by decile"),
    ("lift", "lift of the top decile"),
)


class Columns(Section):
    """What the columns of a file are: which says whether the `outcome` followed, which says when, which may not be used
    because they are filled in later (`leave_out`), which are features although they look like identifiers (`keep`), and
    which values mean `missing`."""

    outcome: str = ""
    time: str | None = None
    leave_out: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `evaluate` is told."""
    parser.add_argument("file", type=Path, help="a CSV file, one lead a row")
    parser.add_argument("--mapping", type=Path, help="a YAML file that says what the columns are")
    parser.add_argument("--outcome", help="the column that says whether the outcome followed")
    parser.add_argument("--time", help="a column that says when: learn from earlier rows, judge later ones")
    parser.add_argument("--leave-out", default="", help="columns that are no features, with commas between")
    parser.add_argument("--keep", default="", help="columns that are features although they look like identifiers")
    parser.add_argument("--test", type=Path, help="judge on this file instead, which is not learned from")
    parser.add_argument("--scores", type=Path, help="write there what is said of each row of the test file, as CSV")
    parser.add_argument("--folds", type=int, default=5, help="parts that are judged in turn (5)")
    parser.add_argument("--seeds", type=int, default=5, help="how often, each time with other parts (5)")
    parser.add_argument("--missing", default="", help="more values that mean `not answered`, with commas between")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Evaluates and prints."""
    if arguments.folds < 2 or arguments.seeds < 1:
        raise ValueError("Give at least 2 folds and 1 seed.")
    if arguments.scores and not arguments.test:
        raise ValueError("--scores says what is said of a test file; give one with --test.")
    columns = read_yaml(arguments.mapping, Columns) if arguments.mapping else Columns()
    outcome = arguments.outcome or columns.outcome
    if not outcome:
        raise ValueError(
            "Name the column that says whether the outcome followed: --outcome, or `outcome` in the mapping."
        )
    options = Options(
        leave_out=[*columns.leave_out, *_names(arguments.leave_out)],
        keep=[*columns.keep, *_names(arguments.keep)],
        time=arguments.time or columns.time,
        placeholders=PLACEHOLDERS | {*columns.missing, *_names(arguments.missing)},
        folds=arguments.folds,
        seeds=arguments.seeds,
    )
    rows = read_rows(arguments.file)
    asked_for = [*_names(arguments.leave_out), *_names(arguments.keep)]
    check_columns(rows, [outcome, *asked_for, *([options.time] if options.time else [])])
    test = read_rows(arguments.test) if arguments.test else None
    if arguments.scores and test is not None:
        _write_scores(arguments.scores, told_of(rows, test, outcome, options))
        if outcome not in test[0]:
            return
    progress = Console(stderr=True, highlight=False)
    with progress.status("reading") as status:
        found = evaluate(rows, outcome, options, test=test, progress=status.update)
    if arguments.json:
        sys.stdout.write(json.dumps(document(found), indent=2) + "\n")
    else:
        show(found, Console(highlight=False))


def _write_scores(path: Path, told: Sequence[float]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("row", "probability"))
        writer.writerows(enumerate(told, start=1))


def document(found: Evaluation) -> dict[str, Any]:
    """An evaluation as JSON has it."""
    means = {method: {name: found.mean(method, name) for name, _ in MEASURES} for method in ("model", "naive_bayes")}
    seeds = {method: [one.document() for one in getattr(found, method)] for method in ("model", "naive_bayes")}
    return {
        "how": found.how,
        "rows": found.rows,
        "positives": found.positives,
        "features": list(found.features),
        "left_out": dict(found.left_out),
        "suspicious": dict(found.suspicious),
        "means": means,
        "by_seed": seeds,
    }


def show(found: Evaluation, console: Console) -> None:
    """An evaluation as a person reads it."""
    console.print(f"{found.rows} rows, {found.positives} with the outcome; {found.how}.")
    console.print(f"{len(found.features)} features: {escape(', '.join(found.features))}")
    for name, why in found.left_out.items():
        console.print(f"  without {escape(name)}: {why}")
    for name, alone in found.suspicious.items():
        console.print(f"  [bold]look at {escape(name)}[/]: alone it has an AUC of {alone:.3f}; was it filled in later?")
    measures = Table("", "model", "naive Bayes", box=SIMPLE_HEAD)
    for name, title in MEASURES:
        measures.add_row(title, _figure(found.mean("model", name)), _figure(found.mean("naive_bayes", name)))
    console.print(measures)
    deciles = Table("decile", "leads", "expected", "happened", "lift", box=SIMPLE_HEAD, title="The model, first seed")
    for number, one in enumerate(found.model[0].deciles, start=1):
        deciles.add_row(
            str(number), str(one.leads), f"{one.expected:.3f}", f"{one.observed:.3f}", _figure(one.lift, digits=2)
        )
    console.print(deciles)


def _figure(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _names(given: str) -> Sequence[str]:
    return [name.strip() for name in given.split(",") if name.strip()]
