"""`evaluate`: the matching on files of people of whom it is known who is who, in figures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from services.pipeline.domain.matching.weights import MERGE_FROM, REVIEW_FROM
from services.pipeline.matching.evaluation import Evaluation, evaluate, read_people

ROWS = (
    ("blocked", "share a key"),
    ("review", "to be shown"),
    ("joined", "with all of these joined"),
    ("merged", "merged without asking"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `evaluate` is told."""
    parser.add_argument("files", type=Path, nargs="+", help="CSV files, one person a row")
    parser.add_argument("--entity", help="the column that says who is who (else from rec_id)")
    parser.add_argument("--together", action="store_true", help="all files are one set")
    parser.add_argument("--review-from", type=float, default=REVIEW_FROM, help=f"shown from ({REVIEW_FROM})")
    parser.add_argument("--merge-from", type=float, default=MERGE_FROM, help=f"merged from ({MERGE_FROM})")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Evaluates each set and prints what was found."""
    sets = {path.name: read_people(path, arguments.entity) for path in arguments.files}
    if arguments.together:
        people = [one for of_file, _ in sets.values() for one in of_file]
        entities = [one for _, of_file in sets.values() for one in of_file]
        sets = {" + ".join(sets): (people, entities)}
    found = {
        name: evaluate(
            people, entities, review_from=arguments.review_from, merge_from=arguments.merge_from
        )
        for name, (people, entities) in sets.items()
    }  # fmt: skip
    if arguments.json:
        documents = {name: _document(one) for name, one in found.items()}
        sys.stdout.write(json.dumps(documents, indent=2) + "\n")
        return
    console = Console(highlight=False)
    for name, one in found.items():
        _show(name, one, console)


def _document(found: Evaluation) -> dict[str, object]:
    return {**found._asdict(), **{name: getattr(found, name)._asdict() for name, _ in ROWS}}


def _show(name: str, found: Evaluation, console: Console) -> None:
    console.print(
        f"{name}: {found.records:,} records, {found.true_pairs:,} pairs are one person; {found.candidate_pairs:,} candidate "
        f"pairs were compared (reduction ratio {found.reduction:.6f}) in {found.seconds:.2f} s.",
        markup=False,
        soft_wrap=True,
    )
    table = Table("pairs that", "found", "precision", "recall", box=SIMPLE_HEAD)
    for field, title in ROWS:
        one = getattr(found, field)
        table.add_row(title, f"{one.pairs:,}", f"{one.precision:.4f}", f"{one.recall:.4f}")
    console.print(table)
