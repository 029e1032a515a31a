"""What is kept of a person here, told by the names that pipeline knows them under: counted, or shown to whom it is about."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends
from sqlalchemy import Row

from services.scoring import storage
from services.scoring.api.parts import Stored
from shared.contracts.personal import REDACTED
from shared.kit.auth import require_privacy_token
from shared.kit.people import Names
from shared.kit.problems import JSONAnswer
from shared.kit.redaction import letters_naming

router = APIRouter(prefix="/v1", tags=["people"], dependencies=[Depends(require_privacy_token)])


@router.post("/people:held", summary="How much of a person is kept here, and, if asked for, what")
async def held(database: Stored, names: Names) -> JSONAnswer:
    """A score is no personal data by itself: it is shown, and stays. `reasons` are leads of which a model's reasons for their
    probability are kept, which name what they said."""
    touches = await storage.touches_held(database, names.lead_ids, names.until)
    everything = names.everything()
    letters = await letters_naming(database, everything, REDACTED, names.until)
    answer: dict[str, Any] = {
        "held": {
            "touches": len(touches),
            "reasons": await storage.reasons_held(database, names.lead_ids, names.until),
            "dead_letters": len(letters),
        }
    }
    if names.until is not None:
        answer["ordered"] = await storage.is_erased(database, everything, names.until)
    if names.whole:
        answer["touches"] = [_plain(row) for row in touches]
        answer["scores"] = [_plain(row) for row in await storage.leads_held(database, names.lead_ids)]
        answer["dead_letters"] = [bytes(one.value).decode("utf-8", "backslashreplace") for one in letters]
    return JSONAnswer(answer)


def _plain(row: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if value is not None and not _is_empty(value)}


def _is_empty(value: object) -> bool:
    return isinstance(value, str | list | dict) and not value and not isinstance(value, datetime)
