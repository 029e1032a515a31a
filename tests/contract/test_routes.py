"""Readers are sent to `/docs` of each service, so every route says there in words what it is for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from fastapi import FastAPI

from shared.kit.settings import ServiceSettings
from tests.contract.settings import SETTINGS


def app_of(service: str, settings: type[ServiceSettings]) -> FastAPI:
    """A service that is made and not started."""
    secrets: dict[str, Any] = {"api_token": "t" * 16, "identity_secret": "i" * 16}
    app: FastAPI = import_module(f"services.{service}.app").create_app(
        settings(database_url="postgresql://127.0.0.1/none", **secrets)
    )
    return app


@pytest.mark.parametrize("service", SETTINGS)
def test_every_route_says_what_it_is_for(service: str) -> None:
    """Without words of ours the name of a function stands there in capitals."""
    paths = app_of(service, SETTINGS[service]).openapi()["paths"]
    routes = {f"{verb} {path}": route for path, verbs in paths.items() for verb, route in verbs.items()}
    made = [name for name, route in routes.items() if route["operationId"].startswith(_named(route["summary"]))]
    assert routes
    assert made == []


def _named(summary: str) -> str:
    return summary.lower().replace(" ", "_")
