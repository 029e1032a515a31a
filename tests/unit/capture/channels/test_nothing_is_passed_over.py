"""Nothing that a sender proved is passed over: each value of each documented delivery is in what becomes of it, what nobody
expected is kept and flagged, and what is left out is listed here and in docs/channels.md."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, cast

import pytest

from services.capture.domain import Refused
from services.capture.domain.channels import ADAPTERS, Delivery, Ignored
from shared.contracts.policy.channels import AdapterName
from tests.unit.capture.channels.support import an_endpoint, read, refused
from tests.unit.capture.channels.test_calendly import BOOKED, CALLED_OFF
from tests.unit.capture.channels.test_calls import ENDED, MISSED
from tests.unit.capture.channels.test_chat import TRANSCRIPT
from tests.unit.capture.channels.test_check_ins import FAIR
from tests.unit.capture.channels.test_google import LEAD
from tests.unit.capture.channels.test_linkedin import NOTICE as LINKEDIN_NOTICE
from tests.unit.capture.channels.test_linkedin import RESPONSE as LINKEDIN_RESPONSE
from tests.unit.capture.channels.test_mapped import ENVELOPE
from tests.unit.capture.channels.test_meta import DETAILS, NOTICE
from tests.unit.capture.channels.test_typeform import RESPONSE

MARK = "a-value-that-is-nowhere-else"
Path = tuple[str | int, ...]

DOCUMENTED: list[tuple[str, Any]] = [
    ("meta_lead_ads", NOTICE),
    (
        "meta_lead_ads",
        {"data": [DETAILS | {"custom_disclaimer_responses": [{"checkbox_key": "a", "is_checked": "1"}]}]},
    ),
    ("google_ads", LEAD),
    ("linkedin", LINKEDIN_NOTICE),
    ("linkedin", LINKEDIN_RESPONSE),
    ("typeform", RESPONSE),
    ("calendly", BOOKED),
    ("calendly, called off", CALLED_OFF),
    ("standard_webhooks", ENVELOPE),
    ("json", [ENVELOPE["data"]]),
    ("call", ENDED),
    ("call", MISSED),
    ("chat", TRANSCRIPT),
    ("check_in", FAIR),
]
LEFT_OUT: dict[str, tuple[str, ...]] = {
    "meta_lead_ads": (
        *("object", "entry.id", "entry.time", "entry.changes.field", "*", "entry.*", "entry.changes.*"),
        *("data.field_data.*", "data.custom_disclaimer_responses.*"),
    ),
    "google_ads": ("google_key", "user_column_data.column_name", "user_column_data.*"),
    "linkedin": (
        *("type", "testLead", "formResponse.answers.questionId"),
        *("formResponse.answers.*", "formResponse.consentResponses.*", "formResponse.answers.answerDetails.*"),
        *(f"formResponse.answers.answerDetails.{how}.*" for how in ("textQuestionAnswer", "multipleChoiceAnswer")),
    ),
    "typeform": (
        *("event_id", "*", "form_response.definition", "form_response.answers.*", "form_response.answers.field"),
        *(f"form_response.answers.{how}.{what}" for how in ("choice", "choices") for what in ("id", "ref", "*")),
    ),
    "calendly": (
        *("*", "created_by", "payload.questions_and_answers.*", "payload.questions_and_answers.position"),
        *("payload.cancel_url", "payload.reschedule_url", "payload.event", "payload.created_at", "payload.updated_at"),
        *("payload.scheduled_event.status", "payload.scheduled_event.event_memberships"),
    ),
    "chat": ("messages.role", "messages.at", "messages.*"),
    "check_in": ("*", "event.*"),
    "calendly, called off": (
        *("payload.name", "payload.questions_and_answers", "payload.tracking", "payload.cancellation.canceled_by"),
    ),
}
"""What is not kept, by its path without places in lists; `*` is what nobody documents, beside what somebody does."""


def texts_in(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where a document has texts."""
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from texts_in(inner, (*path, step))
    elif isinstance(value, str):
        yield path


def objects_in(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where a document has objects."""
    if isinstance(value, dict):
        yield path
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from objects_in(inner, (*path, step))


def with_mark(document: Any, path: Path) -> Any:
    changed = copy.deepcopy(document)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = MARK
    return changed


def is_listed(adapter: str, path: Path) -> bool:
    names = ".".join("*" if step == "surprise" else step for step in path if isinstance(step, str))
    left_out = (*LEFT_OUT.get(adapter.partition(",")[0], ()), *LEFT_OUT.get(adapter, ()))
    return any(names == one or names.startswith(f"{one}.") for one in left_out)


def is_kept(name: str, document: Any) -> bool:
    """Whether the mark is in what becomes of a delivery, or all of it is refused and so kept as it came."""
    adapter = cast(AdapterName, name.partition(",")[0])
    endpoint = an_endpoint(adapter, **({"verify_token": "V"} if adapter == "meta_lead_ads" else {}))
    reading = ADAPTERS[adapter].read(Delivery(content=document, headers={"webhook-id": "m"}), endpoint)
    if isinstance(reading, Refused):
        return True
    return not isinstance(reading, Ignored) and MARK in str([(one.key, one.body) for one in reading]).lower()


@pytest.mark.parametrize(("adapter", "document"), DOCUMENTED)
def test_each_text_of_a_documented_delivery_is_kept_or_listed_as_left_out(adapter: str, document: Any) -> None:
    lost = [path for path in texts_in(document) if not is_kept(adapter, with_mark(document, path))]
    assert [path for path in lost if not is_listed(adapter, path)] == []


@pytest.mark.parametrize(("adapter", "document"), DOCUMENTED)
def test_what_nobody_documents_is_kept_or_listed_as_left_out(adapter: str, document: Any) -> None:
    places = [(*path, "surprise") for path in objects_in(document)]
    lost = [path for path in places if not is_kept(adapter, with_mark(document, path))]
    assert [path for path in lost if not is_listed(adapter, path)] == []


def within(document: Any, *path: str | int, item: object) -> Any:
    """The document with one more item in a list of it."""
    changed = copy.deepcopy(document)
    place = changed
    for step in path:
        place = place[step]
    place.append(item)
    return changed


ODD: list[object] = [None, 3, "junk", ["x"]]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    ("adapter", "document", "path", "field"),
    [
        ("meta_lead_ads", NOTICE, ("entry",), "entry[1]"),
        ("meta_lead_ads", NOTICE, ("entry", 0, "changes"), "entry[0].changes[1]"),
        ("meta_lead_ads", {"data": [DETAILS]}, ("data",), "data[1]"),
        ("linkedin", [LINKEDIN_NOTICE], (), "body[1]"),
        ("linkedin", {"elements": [LINKEDIN_RESPONSE]}, ("elements",), "elements[1]"),
        ("google_ads", LEAD, ("user_column_data",), "user_column_data"),
        ("json", [{"email": "ada@example.com"}], (), "body[1]"),
        ("check_in", FAIR, ("attendees",), "body[1]"),
    ],
)
def test_a_record_that_is_none_is_refused_with_its_siblings_which_wait_with_it(
    adapter: str, document: Any, path: tuple[str | int, ...], field: str, odd: object
) -> None:
    given: dict[str, Any] = {"verify_token": "V"} if adapter == "meta_lead_ads" else {}
    assert list(refused(adapter, within(document, *path, item=odd), **given)) == [field]


@pytest.mark.parametrize("odd", [None, 3, ["x"]])
def test_a_message_that_is_none_is_refused_with_its_siblings_which_wait_with_it(odd: object) -> None:
    place = len(TRANSCRIPT["messages"])
    assert list(refused("chat", within(TRANSCRIPT, "messages", item=odd))) == [f"messages[{place}]"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    ("adapter", "document", "path"),
    [
        ("meta_lead_ads", DETAILS, ("field_data",)),
        ("linkedin", LINKEDIN_RESPONSE, ("formResponse", "answers")),
        ("linkedin", LINKEDIN_RESPONSE, ("formResponse", "consentResponses")),
        ("typeform", RESPONSE, ("form_response", "answers")),
        ("calendly", BOOKED, ("payload", "questions_and_answers")),
    ],
)
def test_an_answer_that_is_none_costs_its_siblings_nothing_and_is_kept_and_flagged(
    adapter: str, document: Any, path: tuple[str | int, ...], odd: object
) -> None:
    given: dict[str, Any] = {"verify_token": "V"} if adapter == "meta_lead_ads" else {}
    whole, *others = read(adapter, document, **given)
    lead, *beside = read(adapter, within(document, *path, item=odd), **given)
    prefix = adapter.partition("_")[0]
    assert lead.body == {**whole.body, f"attributes.{prefix}_unread": [odd]}
    assert (lead.key, lead.flags, beside) == (whole.key, ("unread_parts",), others)


@pytest.mark.parametrize("junk", ["junk", 3, {"a": 1}])
@pytest.mark.parametrize(
    ("adapter", "document", "path", "field"),
    [
        ("meta_lead_ads", DETAILS, ("field_data",), "body.field_data"),
        ("linkedin", LINKEDIN_RESPONSE, ("formResponse", "answers"), "body.formResponse.answers"),
        ("linkedin", LINKEDIN_RESPONSE, ("formResponse", "consentResponses"), "body.formResponse.consentResponses"),
        ("typeform", RESPONSE, ("form_response", "answers"), "form_response.answers"),
        ("calendly", BOOKED, ("payload", "questions_and_answers"), "payload.questions_and_answers"),
    ],
)
def test_answers_that_are_no_list_are_refused(
    adapter: str, document: Any, path: tuple[str, ...], field: str, junk: object
) -> None:
    given: dict[str, Any] = {"verify_token": "V"} if adapter == "meta_lead_ads" else {}
    changed = copy.deepcopy(document)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = junk
    assert list(refused(adapter, changed, **given)) == [field]


@pytest.mark.parametrize(
    ("adapter", "document", "path", "odd"),
    [
        ("meta_lead_ads", DETAILS, ("field_data",), {"name": "budget", "values": "50"}),
        ("google_ads", LEAD, ("user_column_data",), {"column_id": "AGREES", "boolean_value": True}),
        ("linkedin", LINKEDIN_RESPONSE, ("formResponse", "answers"), {"questionId": 9, "answerDetails": {"date": "x"}}),
        ("typeform", RESPONSE, ("form_response", "answers"), {"type": "text", "field": {"id": "q9"}, "other": "x"}),
        ("calendly", BOOKED, ("payload", "questions_and_answers"), {"answer": "x"}),
    ],
)
def test_an_answer_in_a_form_of_its_own_is_kept(adapter: str, document: Any, path: tuple[str, ...], odd: Any) -> None:
    given: dict[str, Any] = {"verify_token": "V"} if adapter == "meta_lead_ads" else {}
    lead, *_ = read(adapter, within(document, *path, item=odd), **given)
    if adapter == "meta_lead_ads":
        assert lead.body["budget"] == "50"
    else:
        assert lead.body[f"attributes.{adapter.partition('_')[0]}_unread"] == [odd]
        assert lead.flags == ("unread_parts",)


def test_answers_of_one_name_are_all_kept() -> None:
    answers = [{"name": "topic", "values": [value]} for value in ("crm", "forms", "tea", "x")]
    (draft,) = read("meta_lead_ads", DETAILS | {"field_data": answers}, verify_token="V")
    found = {name: value for name, value in draft.body.items() if "topic" in name}
    assert found == {
        "topic": "crm",
        "attributes.topic": "forms",
        "attributes.topic_2": "tea",
        "attributes.topic_3": "x",
    }
