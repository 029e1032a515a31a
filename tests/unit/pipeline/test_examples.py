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
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is not None:
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


SAME_TWICE = {
    "/v1/audit/captured": "it looks",
    "/v1/audit/events": "it looks",
    "/v1/audit/history": "it looks",
    "/v1/audit/leads": "it looks",
    "/v1/dead-letters/{letter_id}:drop": "the second is told that it is settled",
    "/v1/dead-letters/{letter_id}:redrive": "the second is told that it is settled",
    "/v1/history:batch": "each row has a name of its own",
    "/v1/people:export": "it looks",
    "/v1/people:find": "it looks",
    "/v1/policy:validate": "it looks",
    "/v1/bulk/{job_id}:cancel": "a state is set",
    "/v1/bulk/{job_id}:resume": "a state is set",
    "/v1/tokens/{prefix}:revoke": "a state is set",
    "/v1/tokens/{prefix}:rotate": "the second is told by what it was replaced",
    "/v1/unreadable:skip": "it names how far",
    "/v1/webhooks/{endpoint_id}:change": "a state is set",
    "/v1/webhooks/{endpoint_id}:disable": "a state is set",
    "/v1/webhooks/{endpoint_id}:enable": "a state is set",
    "/v1/webhooks/{endpoint_id}:remove": "a state is set",
    "/v1/webhooks/{endpoint_id}:replay": "receivers know events by their ids",
    "/v1/webhooks/{endpoint_id}:revive": "receivers know events by their ids",
    "/v1/webhooks/{endpoint_id}:rotate": "both secrets sign",
}
"""What needs no key to be sent again, and why."""


def test_what_is_sent_again_is_done_once(app: FastAPI) -> None:
    for path, operations in app.openapi()["paths"].items():
        if (operation := operations.get("post")) is not None:
            headers = {one["name"].lower() for one in operation.get("parameters", ()) if one["in"] == "header"}
            assert ("idempotency-key" in headers) != (path in SAME_TWICE), (
                f"{path} takes an Idempotency-Key, or says why not"
            )
