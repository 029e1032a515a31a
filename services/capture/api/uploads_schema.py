"""What the API publishes about uploads."""

from __future__ import annotations

from collections.abc import Sequence

from services.capture.api.schema import Schema
from shared.kit.published import problem_responses

OPERATIONS: tuple[tuple[str, str, str, str], ...] = (
    ("begin", "POST", "/v1/uploads", "Upload a file of leads, which is imported behind this answer"),
    ("preview", "POST", "/v1/uploads:preview", "What the first rows of a file would become; nothing is taken in"),
    ("list", "GET", "/v1/uploads", "The sender's uploads, the newest first"),
    ("show", "GET", "/v1/uploads/{upload_id}", "How far an upload has come"),
    (
        "report",
        "GET",
        "/v1/uploads/{upload_id}/report",
        "The refused rows by line and fault, as CSV, without what they say",
    ),
    ("cancel", "POST", "/v1/uploads/{upload_id}:cancel", "End an upload; what it brought in stays"),
    ("resume", "POST", "/v1/uploads/{upload_id}:resume", "Go on with an upload that was cancelled or failed"),
)

_COUNT: Schema = {"type": "integer", "minimum": 0}
_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
JOB: Schema = {
    "type": "object",
    "required": ["upload_id", "status", "filename", "bytes", "sha256", "rows", "leads", "line", "created_at"],
    "properties": {
        "upload_id": {"type": "string", "format": "uuid"},
        "status": {"type": "string", "enum": ["waiting", "running", "done", "failed", "cancelled"]},
        "filename": {"type": "string"},
        "bytes": _COUNT,
        "sha256": {"type": "string"},
        "line": {**_COUNT, "description": "the last line that was answered"},
        "rows": {
            "type": "object",
            "properties": {
                "total": {"type": ["integer", "null"], "description": "null until the file was made ready"},
                "read": _COUNT,
            },
        },
        "leads": {
            "type": "object",
            "description": "what became of them; a row may stand for several, or for none. `quarantined` are among `rejected`",
            "properties": dict.fromkeys(("accepted", "duplicate", "rejected", "quarantined"), _COUNT),
        },
        "rows_per_second": {"type": ["number", "null"]},
        "done_at": {"type": ["string", "null"], "format": "date-time", "description": "at this rate"},
        "last_error": {
            "type": ["object", "null"],
            "properties": {name: {"type": ["string", "null"]} for name in ("at", "detail", "fix")},
        },
        "repeated": {"type": "boolean", "description": "the same file was sent before: this is that job"},
        **dict.fromkeys(("created_at", "started_at", "ended_at", "updated_at", "file_deleted_at"), _TIME),
    },
    "additionalProperties": True,
}

PREVIEW: Schema = {
    "type": "object",
    "required": ["form", "encoding", "columns", "rows"],
    "properties": {
        "form": {"type": "string", "enum": ["text", "spreadsheet"]},
        "encoding": {"type": "string"},
        "delimiter": {"type": ["string", "null"]},
        "columns": {"type": "array", "items": {"type": "string"}},
        "rows": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "line": _COUNT,
                    "leads": {
                        "type": "array",
                        "description": "for each lead of the row: `sent`, then `understood` or `errors`",
                        "items": {"type": "object", "additionalProperties": True},
                    },
                },
            },
        },
    },
    "additionalProperties": True,
}

_MEANINGS = {
    400: "the body cannot be read",
    401: "no API key, or an unknown one",
    403: "the key lacks the scope upload",
    404: "this sender has no such upload",
    408: "the body did not arrive in time",
    409: "the upload is in another state, or this deployment takes none",
    413: "too large",
    415: "compressed in transit",
    422: "options, a mapping or a file that need mending",
    503: "the database does not answer, or too many files are arriving; see Retry-After",
    507: "no room on the disk",
}
_OF_ALL = (401, 403, 409, 503)
_OF = {
    "begin": (400, 408, 413, 415, 422, 507),
    "preview": (400, 408, 413, 415, 422, 507),
    "list": (422,),
    "show": (404,),
    "report": (404,),
    "cancel": (404,),
    "resume": (404,),
}
_OPTION = {
    "mapping": "a mapping that the policy names, or the text of one, YAML or JSON (docs/importing.md)",
    "zone": "the zone of times that name none, such as Europe/Amsterdam",
    "record": "the column that names a row for good",
    "live": "true: rows with their own time are news, not history",
    "delimiter": "what separates the fields of a CSV file; found out if absent",
    "encoding": "the encoding of a text file; found out if absent",
    "sheet": "the sheet of a workbook; its first if absent",
    "business_unit": "the unit of rows that name none",
    "channel": "the channel of rows that name none",
}


def operation(name: str, options: Sequence[str]) -> Schema:
    """The OpenAPI part of one operation."""
    if name == "report":
        good: Schema = {"200": {"description": "row, field, reason, fix", "content": {"text/csv": {}}}}
    else:
        answer: Schema = PREVIEW if name == "preview" else JOB
        if name == "list":
            answer = {
                "type": "object",
                "properties": {
                    "items": {"type": "array", "items": JOB},
                    "next_before": {"type": ["string", "null"], "description": "send as `before` for older ones"},
                },
            }
        status, meaning = ("202", "The file is on the disk.") if name == "begin" else ("200", "As it is now.")
        good = {status: {"description": meaning, "content": {"application/json": {"schema": answer}}}}
    problems = problem_responses({status: _MEANINGS[status] for status in sorted((*_OF_ALL, *_OF[name]))})
    document: Schema = {
        "responses": good | problems,
        "security": [{"bearer": []}, {"apiKey": []}],
        "parameters": _parameters(name, options),
    }
    if name in ("begin", "preview"):
        file: Schema = {"type": "string", "format": "binary"}
        fields = {option: {"type": "string", "description": _OPTION[option]} for option in options}
        form = {"type": "object", "required": ["file"], "properties": {"file": file, **fields}}
        document["requestBody"] = {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": form},
                "text/csv": {"schema": {"type": "string"}},
                "application/octet-stream": {"schema": file},
            },
        }
    return document


def _parameters(name: str, options: Sequence[str]) -> list[Schema]:
    def query(option: str, meaning: str) -> Schema:
        return {"name": option, "in": "query", "schema": {"type": "string"}, "description": meaning}

    if name in ("begin", "preview"):
        return [query("filename", "what the file is called"), *(query(one, _OPTION[one]) for one in options)]
    if name == "list":
        limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 200}}
        return [
            query("before", "older than this; `next_before` of the page before"),
            query("status", "only these"),
            query("sender", "for the operator; a key sees its own sender"),
            limit,
        ]
    return [{"name": "upload_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}]
