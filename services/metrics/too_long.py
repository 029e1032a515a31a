"""A question that takes longer than one may: whoever asked is told so, and what would be quicker, not to come again."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response

from shared.kit.errors import Rejected, TookTooLong
from shared.kit.problems import problem_answer
from shared.kit.published import problem_response

FIX = (
    "Ask about a shorter window with `from` and `to`, by fewer cuts, or for a smaller page. The same again takes as long, "
    "unless the database has less to do then."
)


def install(app: FastAPI) -> None:
    """Answers such questions with 504 and no `Retry-After`."""

    @app.exception_handler(TookTooLong)
    async def _took_too_long(_: Request, error: TookTooLong) -> Response:
        detail = f"The question took longer than {error.limit_seconds:g} s."
        return problem_answer(Rejected(detail, status=504, code=error.code, fix=FIX))


def documents(document: dict[str, Any]) -> None:
    """Says of every question that it may end so."""
    for path, operations in document["paths"].items():
        if path.startswith("/v1/") and "get" in operations:
            told = problem_response(504, "the question takes longer than one may; ask for less at once")
            operations["get"]["responses"].setdefault("504", told)
