"""`train`: learns from how leads ended, as scoring's own database has it. Started by the service on its schedule, or by
anybody with the service's environment."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.scoring.learning.runs import Order, Result, train_models
from services.scoring.settings import ScoringSettings
from shared.contracts.policy import Policy
from shared.kit.database import Database
from shared.kit.documents import read_yaml
from shared.kit.settings import read_settings

MEGABYTE = 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `train` is told."""
    parser.add_argument(
        "--unit", action="append", default=[], help="a business unit; all of them and the whole otherwise"
    )
    parser.add_argument("--dry-run", action="store_true", help="learn and judge, and keep nothing")
    parser.add_argument("--by", default="command line", help="who asked")
    parser.add_argument("--as-of", help="learn from what was known at this moment, as 2026-03-01T12:00:00Z")
    parser.add_argument("--seed", type=int, default=0, help="the same seed and data give the same model (0)")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Trains and prints what it came to."""
    settings = read_settings(ScoringSettings)
    policy = read_yaml(settings.policy_file, Policy)
    os.nice(10)
    _bound_memory(settings.train_memory_megabytes)
    order = Order(arguments.unit, _moment(arguments.as_of), arguments.by, arguments.dry_run, arguments.seed)
    progress = Console(stderr=True, highlight=False)
    with progress.status("reading") as status:
        results = asyncio.run(_train(settings, policy, order, status))
    if arguments.json:
        sys.stdout.write(json.dumps([one._asdict() for one in results]) + "\n")
    else:
        show(results, Console(highlight=False))


def learners_database(settings: ScoringSettings) -> Database:
    """Scoring's own, through the two connections that one learner uses."""
    return Database.of(settings, schema="scoring", pool_size=2)


async def _train(settings: ScoringSettings, policy: Policy, order: Order, status: Any) -> list[Result]:
    database = learners_database(settings)
    try:
        return await train_models(database, policy, order, status.update)
    finally:
        await database.close()


def show(results: list[Result], console: Console) -> None:
    """What it came to, as a person reads it."""
    table = Table("unit", "outcome", "", "model", "AUC", "log-loss", "ECE", box=SIMPLE_HEAD, pad_edge=False)
    for one in results:
        metrics = one.metrics or {}
        figures = [_figure(metrics.get(name)) for name in ("auc", "log_loss", "ece")]
        table.add_row(escape(one.business_unit or "all"), one.outcome, one.found, escape(one.version or "–"), *figures)
    console.print(table)
    for one in results:
        console.print(f"{escape(one.business_unit or 'all')}, {one.outcome}: {escape(one.words)}.")


def _figure(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "–"


def _moment(given: str | None) -> datetime:
    if given is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise ValueError(f"{given!r} is no moment; write it as 2026-03-01T12:00:00Z.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _bound_memory(megabytes: int) -> None:
    """What would take more ends with an error in this process, and leaves the service alone."""
    most = megabytes * MEGABYTE
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
