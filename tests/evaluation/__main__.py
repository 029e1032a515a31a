"""`make evaluate`: every set in full, and an exit code that says whether all limits are kept."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from services.scoring.learning.evaluate_command import show
from services.scoring.learning.evaluation import Evaluation, evaluate
from tests.evaluation.sets import SETS, RealSet


def main() -> None:
    """Evaluates what was named, or all."""
    parser = argparse.ArgumentParser(prog="make evaluate")
    parser.add_argument("--only", default="", help="sets, with commas between")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    wanted = {name for name in arguments.only.split(",") if name} or {one.name for one in SETS}
    strange = sorted(wanted - {one.name for one in SETS})
    if strange:
        sys.exit(f"There is no set {strange[0]!r}; there are {', '.join(one.name for one in SETS)}.")
    console = Console(highlight=False)
    faults = [fault for one in SETS if one.name in wanted for fault in _evaluated(one, arguments.seeds, console)]
    for fault in faults:
        console.print(f"[bold red]{fault}[/]")
    sys.exit(1 if faults else 0)


def _evaluated(one: RealSet, seeds: int, console: Console) -> list[str]:
    console.rule(one.name)
    if one.missing:
        console.print(f"left out: {one.missing}")
        return []
    with Console(stderr=True, highlight=False).status("reading") as status:
        found = evaluate(one.rows(), one.columns().outcome, one.options(seeds=seeds), progress=status.update)
    show(found, console)
    return faults(one, found)


def faults(one: RealSet, found: Evaluation) -> list[str]:
    """What is not good enough, in words."""
    auc, ece = (found.mean("model", name) or 0.0 for name in ("auc", "ece"))
    ahead = auc - (found.mean("naive_bayes", "auc") or 0.0)
    limits = one.limits
    told = []
    if auc < limits.auc:
        told.append(f"{one.name}: an AUC of {auc:.4f} is less than {limits.auc}")
    if ahead < limits.ahead:
        told.append(f"{one.name}: {ahead:.4f} ahead of naive Bayes is less than {limits.ahead}")
    if ece > limits.ece:
        told.append(f"{one.name}: an ECE of {ece:.4f} is more than {limits.ece}")
    return told


if __name__ == "__main__":
    main()
