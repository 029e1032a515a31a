"""Who is meant by what somebody types, and the services that are asked about them."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import typer

from shared.cli.http import CommandFailed, ServiceClient
from shared.cli.settings import cli_settings, environment_value

PRIVACY_TOKEN = "LEADFLOW_PRIVACY_TOKEN"  # noqa: S105 - a variable's name
ASKED = ("pipeline", "scoring", "capture")
_PHONE = re.compile(r"\+[\d\s()./-]{6,30}")

Who = Annotated[
    str,
    typer.Argument(
        metavar="PERSON",
        help="An e-mail address, a phone number such as +31612345678, a lead id, or with --sender an id of that system. "
        "`-` reads it from standard input, so that no history of commands keeps it.",
    ),
]
Sender = Annotated[
    str | None, typer.Option("--sender", help="PERSON is the id that this sender gave somebody.", show_default=False)
]
Unit = Annotated[str | None, typer.Option("--business-unit", help="Look in this unit alone, instead of in all.")]


def person(who: str, sender: str | None, unit: str | None) -> dict[str, Any]:
    """What to ask pipeline for. Raises `CommandFailed` for what could be anybody."""
    text = (sys.stdin.readline() if who == "-" else who).strip()
    asked: dict[str, Any] = {} if unit is None else {"business_unit": unit}
    if sender is not None:
        return {**asked, "external_id": text, "sender": sender}
    if "@" in text:
        return {**asked, "email": text}
    if _PHONE.fullmatch(text):
        return {**asked, "phone": text}
    try:
        return {**asked, "lead_id": str(UUID(text))}
    except ValueError:
        raise CommandFailed(
            "PERSON is no e-mail address, no phone number with its country and no lead id.",
            "Write +31612345678 for a number; name the system with --sender for an id of its own.",
        ) from None


@asynccontextmanager
async def services() -> AsyncIterator[dict[str, ServiceClient]]:
    """Clients of the services that keep something of people."""
    settings = cli_settings()
    token = environment_value(PRIVACY_TOKEN) or settings.api_token
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                ServiceClient(name, settings.url(name), token, patience_seconds=10.0, credential=PRIVACY_TOKEN)
            )
            for name in ASKED
        }


async def held_elsewhere(
    clients: dict[str, ServiceClient], names: dict[str, Any], *, until: str | None = None, whole: bool = False
) -> dict[str, Any]:
    """What scoring and capture keep under a person's names."""
    asked = {**names, "until": until, "whole": whole}
    return {name: await clients[name].post("/v1/people:held", asked) for name in ASKED if name != "pipeline"}
