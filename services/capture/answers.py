"""What a sender is answered, payload by payload."""

from __future__ import annotations

from services.capture.domain import Refused, Taken
from services.capture.domain.faults import listed
from shared.kit.errors import Rejected, Retryable

Answer = dict[str, object]


def unavailable(error: Retryable) -> Answer:
    """The problem of an item that the log did not take in time."""
    return {
        "type": f"urn:leadflow:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "fix": "Send this item again, alone or with the others, to the same address: under its record_id, or the same "
        "Idempotency-Key, it is counted once.",
    }


def told(taken: Taken, *, spooled: bool) -> Answer:
    """The answer to one payload alone."""
    answer: Answer = {
        "event_id": taken.event_id,
        "lead_id": taken.lead_id,
        "business_unit": taken.business_unit,
        "flags": taken.flags,
    }
    if spooled:
        answer["spooled"] = True
    return answer


def accepted_item(place: int, taken: Taken) -> Answer:
    """The answer to one of many."""
    return {
        "index": place,
        "status": 202,
        "event_id": taken.event_id,
        "lead_id": taken.lead_id,
        "flags": taken.flags,
    }


def refused_item(place: int, error: Rejected) -> Answer:
    """The answer to one of many that is not taken."""
    return {"index": place, "status": error.status, "problem": error.problem()}


def refusal(refused: Refused) -> Rejected:
    """Everything that is wrong with a payload, as one error."""
    errors = listed(refused.faults)
    first = refused.faults[0]
    more = f" There are {len(errors)} faults; `errors` lists all." if len(errors) > 1 else ""
    return Rejected(
        f"{first.field} {first.fault}.{more}",
        status=refused.status,
        code="forbidden" if refused.status == 403 else "invalid-fields",
        field=first.field,
        fix=first.fix,
        extra={"errors": errors},
    )


def needs_database(what: str, *, otherwise: str = "") -> Rejected:
    """The answer where something is asked for that only a database could hold."""
    return Rejected(
        f"This capture has no database, so it keeps no {what}.",
        status=409,
        code="no-database",
        fix=f"Set LEADFLOW_DATABASE_URL and restart{otherwise}.",
    )
