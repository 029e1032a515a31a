"""What the OpenAPI document says is what is answered: its every operation, asked by a machine that read it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.fuzz.budget import FULL
from tests.fuzz.serving import ANSWERED_WITHIN_SECONDS, OPERATOR_TOKEN, Answer, Serving
from tests.unit.capture.fakes import FULL_KEY

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
    allow_header_conformance,
]
OPERATORS = ("/v1/quarantine", "/v1/keys", "/v1/dead-letters", "/v1/unreadable", "/v1/people")


@schemathesis.serializer("message/rfc822", "text/csv", "text/tab-separated-values", "application/x-ndjson")
def as_it_is(_: schemathesis.SerializationContext, value: object) -> bytes:
    """Text stays what it is, also where it should be text and is none."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.fixture(scope="session")
def published(capture: Serving) -> BaseSchema:
    """The document, as capture serves it."""
    return schemathesis.openapi.from_url(f"{capture.url}/openapi.json", wait_for_schema=10)


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_operation_answers_as_it_is_published(
    published: BaseSchema, capture: Serving, mode: GenerationMode
) -> None:
    wrong: list[str] = []
    for found in published.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        try:
            _try(operation, capture, mode)
        except (Exception, BaseExceptionGroup) as error:
            wrong.append(f"{operation.label}: {error}")
    assert not wrong, "\n\n".join(wrong)


def _try(operation: Any, capture: Serving, mode: GenerationMode) -> None:
    """Asks one operation with what its schema allows, or with what it does not."""
    token = OPERATOR_TOKEN if operation.path.startswith(OPERATORS) else FULL_KEY
    few = max(2, FULL // 25) if FULL else 1

    @settings(max_examples=few, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        began = time.monotonic()
        response = case.call(headers={"Authorization": f"Bearer {token}"}, timeout=ANSWERED_WITHIN_SECONDS)
        seconds = time.monotonic() - began
        headers = {name.lower(): values[0] for name, values in response.headers.items()}
        what = f"{case.method} {operation.path}, as published"
        capture.check(what, Answer(response.status_code, headers, response.content), seconds)
        case.validate_response(response, checks=CHECKS)

    with suppress(Unsatisfiable):
        ask()
