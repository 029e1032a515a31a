"""What is wrong with a request is told as a problem; what is wrong with the service stays a fault of it."""

from __future__ import annotations

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError

from shared.kit import problems
from shared.kit.people import Names


def of_database(error: psycopg.Error) -> DBAPIError:
    """The error as the database layer raises it."""
    raised = DBAPIError.instance("SELECT :text", {}, error, psycopg.Error)
    assert isinstance(raised, DBAPIError)
    return raised


async def answered(error: Exception) -> httpx.Response:
    """How a request is answered that meets an error."""
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    async def meet() -> None:
        raise error

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://kit") as client:
        return await client.get("/")


@pytest.mark.parametrize(
    "error",
    [
        of_database(psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")),
        of_database(psycopg.errors.UntranslatableCharacter("\\u0000 cannot be converted to text.")),
        of_database(psycopg.errors.CharacterNotInRepertoire("invalid byte sequence")),
        UnicodeEncodeError("utf-8", "a\ud800", 1, 2, "surrogates not allowed"),
    ],
)
async def test_text_that_no_database_keeps_is_the_senders_to_mend(error: Exception) -> None:
    answer = await answered(error)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:leadflow:problem:invalid")
    assert "NUL" in answer.json()["fix"]


@pytest.mark.parametrize(
    "error",
    [
        of_database(psycopg.errors.DivisionByZero("division by zero")),
        of_database(psycopg.errors.NumericValueOutOfRange("out of range")),
        UnicodeEncodeError("latin-1", "سارا", 0, 1, "ordinal not in range"),
    ],
)
async def test_what_a_statement_of_ours_does_wrong_is_no_fault_of_the_request(error: Exception) -> None:
    answer = await answered(error)
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:leadflow:problem:internal")


async def test_a_request_of_another_form_is_told_where_it_is_wrong_and_what_to_do() -> None:
    app = FastAPI()
    problems.install(app)

    @app.post("/")
    async def ask(names: Names) -> None:
        """Never comes to be asked here."""

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://kit") as client:
        answer = await client.post("/", json={"lead_ids": [], "tokens": ["Ada\x00Lovelace"], "whole": "perhaps"})
    told = answer.json()
    assert (answer.status_code, told["type"], told["field"]) == (422, "urn:leadflow:problem:invalid", "tokens.0")
    assert [fault["field"] for fault in told["errors"]] == ["tokens.0", "whole"]
    assert "errors" in told["fix"]
    assert "Ada" not in answer.text
