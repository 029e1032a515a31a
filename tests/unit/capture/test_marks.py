"""What is marked as a test or as spam, why, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from services.capture.alike import most_alike
from services.capture.domain import IntakeRules, Kind, Readers, Submission, Taken
from services.capture.handlers import message
from shared.contracts.addresses import read_email, read_phone
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.policy import MarkLists, Marks, Policy, SpamSigns, UnitPolicy
from shared.contracts.topics import CAPTURE_LEADS
from tests.unit.capture.fakes import NOW, SECRET, interaction, lead, numbered_ids

LISTED = Marks(
    test=MarkLists(
        emails=("QA@acme.example",),
        domains=("staging.example",),
        names=("Test  Person",),
        companies=("Acme Test, Inc.",),
        senders=("monitor",),
    ),
    spam=SpamSigns(domains=("pills.example",)),
)
PLAIN = {"email": "ada@example.com", "name": "Ada Lovelace"}


def marked(
    body: dict[str, Any], marks: Marks = LISTED, *, kind: Kind = "lead", sender: str = "web", **circumstances: Any
) -> LeadCaptured | InteractionRecorded:
    """The event of a body that came under these circumstances."""
    policy = Policy(version="1", defaults=UnitPolicy(marks=marks))
    rules = IntakeRules(policy, SECRET, Readers(email=read_email, phone=read_phone, alike=most_alike), numbered_ids())
    decision = rules.decide(kind, body, Submission(sender, False, NOW, **circumstances), None)
    assert isinstance(decision, Taken), decision
    event = CAPTURE_LEADS.parse(message(decision)[1])
    assert isinstance(event, LeadCaptured | InteractionRecorded)
    return event


def test_a_plain_lead_carries_nothing_about_marks() -> None:
    event = marked(PLAIN)
    assert (event.mark, event.mark_reasons) == (None, ())
    assert b"mark" not in event.to_json().replace(b'"mark_reasons":[]', b"")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"test": True}, "said"),
        ({"test": "yes"}, "said"),
        ({"email": "qa@acme.example"}, "listed_email"),
        ({"email": "Qa+17@ACME.example"}, "listed_email"),
        ({"email": "bo@staging.example"}, "listed_domain"),
        ({"email": "bo@eu.staging.example"}, "listed_domain"),
        ({"email": "bo@@staging.example"}, "listed_domain"),
        ({"name": " test person"}, "listed_name"),
        ({"company": "ACME TEST"}, "listed_company"),
    ],
)
def test_a_test_is_recognised_by_what_it_says_and_by_the_lists(body: dict[str, Any], reason: str) -> None:
    event = marked(PLAIN | body)
    assert (event.mark, event.mark_reasons) == ("test", (reason,))


def test_a_test_is_recognised_by_its_sender_and_by_its_form() -> None:
    assert marked(PLAIN, sender="monitor").mark_reasons == ("listed_sender",)
    assert marked(PLAIN, is_test=True).mark_reasons == ("test_form",)


@pytest.mark.parametrize(
    "body", [{"test": False}, {"email": "bo@notstaging.example"}, {"name": "Test Personne"}, {"company": "Acme Tester"}]
)
def test_what_is_only_like_a_listed_one_is_not_marked(body: dict[str, Any]) -> None:
    assert marked(PLAIN | body).mark is None


def test_a_field_called_test_that_means_something_else_is_kept_as_any_unknown_one() -> None:
    event = marked(PLAIN | {"test": "variant B"})
    assert (event.mark, event.attributes, event.flags) == (None, {"test": "variant B"}, ("unknown_field:test",))


@pytest.mark.parametrize(
    ("circumstances", "reasons"),
    [
        ({"hidden_field_filled": True}, ("hidden_field",)),
        ({"filled_in_seconds": 0.4}, ("filled_too_fast",)),
        ({"filled_in_seconds": 1.0}, ()),
        ({"filled_in_seconds": 0.2, "hidden_field_filled": True}, ("hidden_field", "filled_too_fast")),
    ],
)
def test_a_form_filled_as_no_person_can_is_spam(circumstances: dict[str, Any], reasons: tuple[str, ...]) -> None:
    event = marked(PLAIN, **circumstances)
    assert (event.mark, event.mark_reasons) == ("spam" if reasons else None, reasons)


@pytest.mark.parametrize(
    ("message", "is_spam"),
    [
        ("https://pills.example", True),
        ("www.pills.example\nhttps://pills.example/buy", True),
        ("see https://acme.example, what would that cost?", False),
        ("http is not a link", False),
    ],
)
def test_a_message_of_nothing_but_links_is_spam(message: str, is_spam: bool) -> None:
    assert marked(PLAIN | {"message": message}).mark == ("spam" if is_spam else None)


def test_signs_of_spam_can_be_turned_off() -> None:
    trusting = Marks(spam=SpamSigns(hidden_field=False, filled_within_seconds=0, only_links=False))
    body = PLAIN | {"message": "https://pills.example"}
    assert marked(body, trusting, hidden_field_filled=True, filled_in_seconds=0.0).mark is None


def test_who_is_a_test_and_spam_is_a_test_for_all_the_reasons_there_are() -> None:
    event = marked(PLAIN | {"test": True, "email": "x@pills.example"})
    assert (event.mark, event.mark_reasons) == ("test", ("said", "listed_domain"))


def test_an_interaction_is_marked_like_a_lead() -> None:
    event = marked({"kind": "page_view", "email": "bo@staging.example"}, kind="interaction")
    assert (event.mark, event.mark_reasons) == ("test", ("listed_domain",))


def test_without_lists_only_what_is_said_and_how_it_came_decide() -> None:
    assert lead({"email": "test@example.com"}).mark is None
    assert interaction({"email": "ada@example.com", "test": 1}).mark == "test"
