"""`leadflow migrate` and `leadflow topics`: prepare the database and the cluster that the environment names, or those
of the embedded run."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer
from rich.console import Console

from shared.cli.local.run_directory import SERVICES
from shared.cli.settings import servers
from shared.cli.topics import create_topics, existing_topics, plan_from_environment
from shared.contracts.topics import TOPICS

console = Console(highlight=False)

topics = typer.Typer(help="Create and list the topics.", no_args_is_help=True)


@topics.command("create")
def create() -> None:
    """Create the topics that are missing: LEADFLOW_KAFKA_PARTITIONS, LEADFLOW_KAFKA_REPLICATION_FACTOR."""
    plan = plan_from_environment()
    bootstrap = servers().kafka_bootstrap
    made = asyncio.run(create_topics(bootstrap, plan))
    for name in TOPICS:
        fate = f"made with {plan.partitions} partitions" if name in made else "exists, left as it is"
        console.print(f"{name}: {fate}")


@topics.command("list")
def show() -> None:
    """Show the topics of the contracts as the cluster has them."""
    existing = asyncio.run(existing_topics(servers().kafka_bootstrap))
    for name in TOPICS:
        found = existing.get(name)
        console.print(f"{name}: {found.partitions} partitions" if found else f"{name}: missing")


def migrate(
    services: Annotated[list[str] | None, typer.Argument(help="Only these services; all when none is named.")] = None,
) -> None:
    """Bring the tables of the services up to date."""
    from shared.cli.local.preparation import run_migrations, wait_for_postgres
    from shared.cli.local.run_directory import run_directory

    wanted = services or list(SERVICES)
    unknown = [name for name in wanted if name not in SERVICES]
    if unknown:
        raise typer.BadParameter(f"there is no service {', '.join(unknown)}; there are {', '.join(SERVICES)}")
    known = servers()
    wait_for_postgres(known.database_url, credentials=run_directory().credentials if known.embedded else None)
    run_migrations({**os.environ, **known.environment()}, wanted)
    console.print(f"The tables of {', '.join(wanted)} are up to date")
