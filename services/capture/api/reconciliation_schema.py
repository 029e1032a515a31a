"""What the API publishes about reconciliation."""

from __future__ import annotations

from typing import Any

SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"apiKey": []}, {"operator": []}]
REPORT_PROBLEMS = {
    401: "no API key, or an unknown one",
    403: "the key lacks the scope reconcile, or asks for another sender",
    409: "this capture has no database",
    422: "the period, or what is asked for, is none; `field` says which",
    503: "the database is away; see Retry-After",
}
BODY_PROBLEMS = {400: "not JSON", 408: "the body did not arrive in time", 413: "too large"}
COMPARED: dict[str, Any] = {
    "type": "object",
    "required": ["verdict", "agrees", "expected", "accepted", "missing", "log_behind_records"],
    "properties": {
        "verdict": {"type": "string", "examples": ["expected 1,240, accepted 1,238: these two ids are missing"]},
        "agrees": {"type": "boolean"},
        "expected": {"type": "integer"},
        "accepted": {"type": "integer"},
        "missing": {
            "type": "object",
            "required": ["count", "ids"],
            "properties": {
                "count": {"type": "integer"},
                "ids": {"type": "array", "items": {"type": "string"}, "description": "the first 1,000"},
            },
        },
        "log_behind_records": {"type": ["integer", "null"], "description": "records of the log that are not read yet"},
        "outside_of_period": {"type": "integer", "description": "of your ids: those that are there, in another time"},
        "not_named": {"type": "object", "description": "events of the period that you did not name"},
        "totals": {"type": "object", "description": "the counts of the period"},
    },
}
