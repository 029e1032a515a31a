"""Examples of what is sent and answered, for the API's document. A test sends each body and holds each answer against a real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LEAD_ID = "5f7c2f0e-8a53-5c1d-9a55-6d1f0c6b8a11"
OTHER_ID = "9c4b1c52-3a0f-5d7e-8f7d-2f6a51d0c3b2"
EVENT_ID = "018f6a3e-7b1c-7cc3-9d9b-0a4f5d3c2b1a"
AT = "2026-03-02T09:00:00+00:00"

BODIES: dict[str, Any] = {
    "Add": {"due_at": "2026-03-03T09:00:00Z", "channel": "phone", "note": "ask for the drawings"},
    "AddNote": {"note": "asked for drawings of the new hall"},
    "Archive": {"reason": "no budget", "recycle_at": "2026-09-01T00:00:00Z"},
    "Ask": {"scale": "nps"},
    "Assign": {"owner": "kim", "team": "north"},
    "Attempt": {"kind": "phone", "outcome": "reached", "duration_seconds": 340, "made": True},
    "Away": {"business_unit": "europe", "starts_at": "2026-03-02T00:00:00Z", "ends_at": "2026-03-09T00:00:00Z"},
    "Begin": {"doing": "assign", "said": {"owner": "kim"}, "filter": {"owner": "lee"}},
    "Cancel": {"note": "they called us"},
    "CancelOrder": {"reason": "ordered twice"},
    "Captured": {"ids": [EVENT_ID]},
    "Change": {"events": ["LeadQualified"], "personal": False},
    "ChangeAmount": {"amount": "1250.50", "currency": "EUR"},
    "EventsAfter": {"after": [LEAD_ID, EVENT_ID], "before": AT},
    "HandOver": {"owner": "kim", "team": "north"},
    "ChangeCloseDate": {"expected_close": "2026-06-30T00:00:00Z"},
    "ChangeLines": {"lines": [{"product": "roof", "quantity": "2", "unit_price": "600.00"}]},
    "Churn": {"reason": "price"},
    "Complete": {"outcome": "reached", "note": "wants an offer"},
    "Consent": {"purpose": "email", "granted": True, "lawful_basis": "consent", "text_version": "2026-01"},
    "Contact": {"role": "adviser", "name": "Bea Jones", "email": "bea@example.com"},
    "ContactChange": {"role": "decision-maker"},
    "Describe": {"kind": "organisation", "need": "a roof for the new hall, before winter"},
    "Enable": {"catch_up": True},
    "Erase": {"email": "ann@example.com", "reason": "case 2026-17"},
    "HistoryAfter": {"after": [LEAD_ID, EVENT_ID], "limit": 1000},
    "HistoryBatch": {"sender": "old-crm", "rows": []},
    "LeadsAfter": {"after": LEAD_ID, "limit": 500},
    "Lose": {"reason": "price"},
    "MarkAs": {"mark": "test", "note": "our own"},
    "Move": {"stage": "proposal"},
    "NewWebhook": {"url": "https://crm.example.com/leadflow", "business_unit": "europe", "events": ["LeadQualified"]},
    "Open": {"pipeline": "default", "amount": "1200", "currency": "EUR", "product": "roof"},
    "Place": {"order_id": "2026-1001", "amount": "1250.50", "currency": "EUR", "product": "roof"},
    "Redrive": {},
    "Refund": {"amount": "100", "reason": "late"},
    "Release": {"note": "it was a customer"},
    "Replay": {"since": "2026-03-01T00:00:00Z"},
    "Revive": {"event_ids": [EVENT_ID]},
    "Rotate": {"overlap_seconds": 3600},
    "Said": {"occurred_at": "2026-03-02T09:00:00Z"},
    "SamePerson": {"other_lead_id": OTHER_ID},
    "Satisfaction": {"value": 9, "scale": "nps", "comment": "quick and kind"},
    "Skip": {"topic": "leadflow.capture.leads.v1", "partition": 0, "before_offset": 18},
    "Snooze": {"until": "2026-03-04T09:00:00Z"},
    "ToTry": {"document": "version: next\ndefaults: {}\n", "business_unit": "europe"},
    "Who": {"email": "ann@example.com", "business_unit": "europe"},
    "Win": {"amount": "1250.50", "currency": "EUR"},
    "Written": {"document": "version: next\ndefaults: {}\n"},
}
"""By the name of the body's class. A class may as well say its own."""

_DEAL = {
    "business_unit": "europe", "opportunity_id": "2026-0017", "lead_id": LEAD_ID, "pipeline": "default", "stage": "discovery",
    "status": "open", "amount": "1200", "currency": "EUR", "product": "roof", "owner": "kim", "team": "north", "opened_at": AT,
    "closed_at": None, "expected_close": None, "reason": None, "updated_at": AT,
}  # fmt: skip
_LISTED = {
    "lead_id": LEAD_ID, "business_unit": "europe", "status": "converted", "created_at": AT, "score": 72, "grade": "A",
    "probability": None, "graded_at": AT, "owner": "kim", "team": "north", "assigned_at": AT, "first_assigned_at": AT,
    "first_response_at": None, "qualified_at": AT, "archived_at": None, "archived_reason": None, "mark": None, "conflicts": 0,
    "updated_at": AT,
    "first_touch": {"at": AT, "channel": "web_form", "source": "google", "medium": "cpc", "campaign": None, "product": "roof"},
    "personal": {"name": "Ann Smith", "email": "ann@example.com", "country": "NL"},
}  # fmt: skip
_LEAD = {
    **_LISTED,
    "last_touch": {"at": AT, "channel": "email", "source": "newsletter", "medium": "email", "campaign": "spring", "product": None},
    "kind": "person", "contacts": [], "need": "a roof before winter", "interest": "interested", "status_since": AT,
    "seconds_in_status": 86400, "statuses": [{"status": "converted", "since": AT, "until": None, "seconds": 86400}],
    "version": 4, "archived_until": None, "mark_reasons": [], "consents": {"email": True}, "merged_lead_ids": [], "opportunities": [_DEAL],
}  # fmt: skip
_TASK = {
    "lead_id": LEAD_ID, "task_id": EVENT_ID, "opportunity_id": None, "business_unit": "europe", "kind": "task", "name": "task", "owner": "kim",
    "channel": "phone", "cadence": None, "step": None, "order_id": None, "status": "open", "starts_at": AT, "due_at": AT, "missed_at": None,
    "closed_at": None, "outcome": None, "send": None, "updated_at": AT,
}  # fmt: skip

_ACTIVITY = {
    "lead_id": LEAD_ID, "event_id": EVENT_ID, "business_unit": "europe", "event": "ContactAttempted", "kind": "phone",
    "owner": "kim", "actor": "kim", "occurred_at": AT, "outcome": "reached", "duration_seconds": 340, "human": True,
    "outbound": True, "name": None, "note": None,
}  # fmt: skip


def _page(one: dict[str, Any]) -> dict[str, Any]:
    return {"items": [one], "next_cursor": None}


ANSWERS: dict[tuple[str, str], dict[str, Any]] = {
    ("get", "/v1/leads"): _page(_LISTED),
    ("get", "/v1/leads/{lead_id}"): _LEAD,
    ("get", "/v1/leads/{lead_id}/history"): {
        "lead_id": LEAD_ID,
        "events": [
            {"event": "LeadAssigned", "event_id": EVENT_ID, "lead_id": LEAD_ID, "version": 2, "occurred_at": AT,
             "recorded_at": AT, "causation_id": None, "actor": "kim", "owner": "kim"}
        ],
    },
    ("get", "/v1/leads/{lead_id}/consents"): {"lead_id": LEAD_ID, "purposes": {}, "history": []},
    ("get", "/v1/leads/{lead_id}/contact-allowance"): {
        "lead_id": LEAD_ID, "channel": "phone", "allowed": True, "reason": None, "words": None, "allowed_at": None,
    },
    ("get", "/v1/opportunities"): _page(_DEAL),
    ("get", "/v1/activities"): _page(_ACTIVITY),
    ("get", "/v1/leads/{lead_id}/activities"): _page(_ACTIVITY),
    ("post", "/v1/leads/{lead_id}/notes"): _LEAD,
    ("get", "/v1/tasks"): _page(_TASK),
    ("get", "/v1/tasks/{task_id}"): _TASK,
    ("get", "/v1/me"): {
        "subject": "kim", "is_person": True, "grants": [{"role": "agent", "business_units": ["europe"]}],
    },
    **{
        ("post", f"/v1/leads/{{lead_id}}:{command}"): _LEAD
        for command in ("assign", "qualify", "requalify", "archive", "reopen", "record-contact", "record-consent", "mark", "release")
    },
    ("post", "/v1/leads/{lead_id}/opportunities"): _DEAL,
    ("post", "/v1/leads/{lead_id}/tasks"): {"items": [_TASK]},
    **{("post", f"/v1/tasks/{{task_id}}:{command}"): _TASK for command in ("complete", "snooze", "cancel")},
    **{
        ("post", f"/v1/opportunities/{{opportunity_id}}:{command}"): _DEAL
        for command in ("move", "change-amount", "change-lines", "change-close-date", "assign", "win", "lose", "reopen")
    },
}  # fmt: skip


def add_examples(document: dict[str, Any]) -> None:
    """Puts the examples into the API's document."""
    schemas = document["components"]["schemas"]
    for (method, path), answer in ANSWERS.items():
        responses = document["paths"][path][method]["responses"]
        success = next(responses[status] for status in responses if status.startswith("2"))
        success.setdefault("content", {}).setdefault("application/json", {})["example"] = answer
    for operations in document["paths"].values():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is not None and (name := next(_named(content["schema"]), None)) is not None:
                example = schemas[name].get("example", BODIES.get(name.rpartition("__")[2]))
                if example is not None:
                    content["example"] = example


def _named(schema: dict[str, Any]) -> Iterator[str]:
    for one in (schema, *schema.get("anyOf", ())):
        if reference := one.get("$ref"):
            yield reference.rpartition("/")[2]
