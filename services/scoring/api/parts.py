"""What requests are answered with."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request

from services.scoring.auditing import Auditor
from services.scoring.models import Models
from services.scoring.policies import Policies
from services.scoring.rescoring import Rescoring
from services.scoring.training import Training
from shared.kit.database import Database
from shared.kit.errors import Rejected


def _part(name: str) -> Any:
    """A part of the application."""

    def part(request: Request) -> Any:
        return getattr(request.app.state, name)

    return Depends(part)


Stored = Annotated[Database, _part("database")]
Known = Annotated[Policies, _part("policies")]
AtWork = Annotated[Models, _part("models")]
Audits = Annotated[Auditor, _part("auditor")]
Rescores = Annotated[Rescoring, _part("rescoring")]
Trainings = Annotated[Training, _part("training")]


def not_there(what: str, name: object) -> Rejected:
    """Nothing of its kind has this name."""
    return Rejected(
        f"There is no {what} {name}.", status=404, code=f"{what}-not-found", fix=f"List them: GET /v1/{what}s."
    )
