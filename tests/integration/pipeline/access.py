"""Callers for tests of who may do what, without the way by which they are recognised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
from fastapi import FastAPI

from services.pipeline.callers import Callers
from services.pipeline.domain.access import Caller, Grant, Role, Units


class KnownCallers(Callers):
    """Callers by a text that stands for their token."""

    def __init__(self, others: Callers, known: dict[str, Caller]) -> None:
        self.others = others
        self.known = known

    async def of(self, given: str) -> Caller:
        return self.known[given] if given in self.known else await self.others.of(given)


def somebody(role: Role, *units: str, subject: str = "kim", is_person: bool = True) -> Caller:
    """A caller with one role; without units in all of them."""
    held: Units = frozenset(units) if units else None
    return Caller((Grant(role, held),), subject, is_person, f"test {role}")


def let_in(app: FastAPI, **callers: Caller) -> None:
    """Makes the application know callers by the names given."""
    app.state.door = replace(app.state.door, callers=KnownCallers(app.state.door.callers, callers))


def by(name: str, **headers: str) -> dict[str, str]:
    """The headers of a request that a caller sends."""
    return {"Authorization": f"Bearer {name}", **headers}


ASKED = {"/search": {"q": "Zoethout"}, "/queue": {"owner": "kim"}, "/contact-allowance": {"channel": "phone"}}
"""What some paths have to be asked with."""


async def send(http: httpx.AsyncClient, method: str, path: str, name: str, body: Any = None) -> httpx.Response:
    """A request of a caller; one that says something has a body, and one that asks, what some paths need."""
    content = {"json": {} if body is None else body} if method == "POST" else {}
    asked = (
        {"params": next(one for end, one in ASKED.items() if path.endswith(end))} if path.endswith(tuple(ASKED)) else {}
    )
    return await http.request(method, path, headers=by(name), **content, **asked)  # type: ignore[arg-type]
