"""The API's document shows what to send and what comes back, and what it shows is right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter

from services.pipeline.api.examples import ANSWERS
from services.pipeline.app import create_app
from services.pipeline.settings import PipelineSettings


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(
        PipelineSettings(
            database_url="postgresql://nobody@127.0.0.1:1/none",
            api_token="only for tests, only",
            identity_secret="only for tests, only",
            policy_file=Path("policy.yaml"),
        )
    )


def bodies(app: FastAPI) -> Iterator[tuple[str, str, Any, Any]]:
    """Method, path, what the document shows and the type that is read."""
    document = app.openapi()
    for included in app.routes:
        for context in getattr(included, "effective_route_contexts", lambda: ())():
            method = next(iter(context.methods)).lower()
            operation = document["paths"].get(_documented(context.path_format), {}).get(method, {})
            if "requestBody" in operation:
                content = operation["requestBody"]["content"]["application/json"]
                yield method, context.path_format, content.get("example"), _body_type(context.endpoint)


def _documented(path: str) -> str:
    return path.replace(":path}", "}")


def _body_type(endpoint: Any) -> Any:
    for hint in get_type_hints(endpoint).values():
        choices = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        for one in choices:
            if one is not NoneType and isinstance(one, type) and issubclass(one, BaseModel):
                return one
    raise AssertionError(f"{endpoint.__name__} has a body of no class")


def test_every_body_has_an_example_that_would_be_taken(app: FastAPI) -> None:
    seen = 0
    for method, path, example, kind in bodies(app):
        assert example is not None, (
            f"{method} {path} needs an example of {kind.__name__} in services/pipeline/api/examples.py"
        )
        TypeAdapter(kind).validate_python(example)
        seen += 1
    assert seen > 30


def test_main_answers_have_examples(app: FastAPI) -> None:
    for (method, path), answer in ANSWERS.items():
        responses = app.openapi()["paths"][path][method]["responses"]
        shown = [
            one["content"]["application/json"].get("example") for status, one in responses.items() if status < "300"
        ]
        assert answer in shown
