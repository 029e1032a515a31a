"""What commands of operators have in common: who gives them, as whom they ask a service, and one command said of many."""

from __future__ import annotations

import getpass
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from shared.cli.http import Refused, ServiceClient
from shared.cli.local.credentials import API_TOKEN
from shared.cli.settings import cli_settings

One = TypeVar("One", str, int)


def whoever() -> str:
    """Who runs this; an account without a name, as in a container, is the command line."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "command line"


By = Annotated[str, typer.Option("--by", help="Who does this; put on record.", default_factory=whoever)]


def operator_client(service: str, *, timeout_seconds: float = 30.0) -> ServiceClient:
    """A client of a service that comes as the operator, with the deployment's token."""
    settings = cli_settings()
    return ServiceClient(
        service, settings.url(service), settings.api_token,
        patience_seconds=5.0, timeout_seconds=timeout_seconds, credential=API_TOKEN,
    )  # fmt: skip


async def of_each(ids: Iterable[One], act: Callable[[One], Awaitable[str]], *, done: str, left: str) -> int:
    """Does something to each and prints what `act` says came of it; how many it was refused for. `done` and `left` say at
    the end what became of how many."""
    console = Console(highlight=False)
    acted = refused = 0
    for one in ids:
        try:
            outcome = await act(one)
        except Refused as refusal:
            refused += 1
            console.print(f"[red]{escape(str(one))}:[/] {escape(refusal.problem)}", soft_wrap=True)
        else:
            acted += 1
            console.print(f"{escape(str(one))}: {escape(outcome)}", soft_wrap=True)
    console.print(f"{acted} {done}, {refused} {left}.")
    return refused
