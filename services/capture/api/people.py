"""What is kept of a person at the door, told by the names that pipeline knows them under."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Depends

from services.capture.answers import needs_database
from services.capture.domain.reconciliation import quarter_of
from services.capture.receipts import IN_TIME
from services.capture.spool import SpoolTelling
from services.capture.storage import held_files, is_erased, late_records, read_up_to, spools
from services.capture.storage.quarantine import quarantined_of
from shared.contracts.personal import REDACTED
from shared.kit.auth import require_privacy_token
from shared.kit.database import Database
from shared.kit.people import Names
from shared.kit.problems import JSONAnswer
from shared.kit.redaction import letters_naming


def people_router(database: Database | None, keep_file: timedelta, telling: SpoolTelling | None) -> APIRouter:
    """The operations. `keep_file` is how long an uploaded file is kept after its job has ended; `telling` tells of this
    process's own spool."""
    router = APIRouter(prefix="/v1", tags=["people"], dependencies=[Depends(require_privacy_token)])

    @router.post("/people:held", summary="How much of a person is kept at the door, and, if asked for, what")
    async def held(names: Names) -> JSONAnswer:
        """Quarantine and dead letters, and the uploaded files and spools that somebody may be in: those go by time. Receipts and
        counts are about events, and name nobody. With `until`, also where the log has what was received by then: at the
        latest up to `in_time_until`, but for what came late, as far as the log was read."""
        if database is None:
            raise needs_database("quarantine")
        entries = await quarantined_of(database, names.tokens, names.until)
        everything = names.everything()
        letters = await letters_naming(database, everything, REDACTED, names.until)
        answer: dict[str, Any] = {"held": {"quarantine": len(entries), "dead_letters": len(letters)}}
        files = await held_files(database, keep_file)
        answer["uploads"] = [
            {"upload_id": one.upload_id, "received_at": one.received_at, "deleted_at": one.deleted_at}
            for one in files
            if names.until is None or one.received_at <= names.until
        ]
        if telling is not None:
            await telling.once()
        answer["spools"] = [dict(row._mapping) for row in await spools(database, names.until)]
        if names.until is not None:
            answer["in_time_until"] = quarter_of(names.until) + IN_TIME
            answer["read_up_to"] = await read_up_to(database)
            answer["late"] = [one._asdict() for one in await late_records(database, names.until)]
            answer["ordered"] = await is_erased(database, everything, names.until)
        if names.whole:
            answer["quarantine"] = [
                {
                    **{name: row._mapping[name] for name in ("id", "received_at", "sender", "reason", "status")},
                    **{name: _text(row._mapping[name]) for name in ("payload", "mended")},
                }
                for row in entries
            ]
            answer["dead_letters"] = [_text(one.value) for one in letters]
        return JSONAnswer(answer)

    return router


def _text(value: bytes | None) -> str | None:
    return None if value is None else bytes(value).decode("utf-8", "backslashreplace")
