"""What is written to leads can always be filled in, or the policy is refused."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.pipeline.domain.messages import address_of, written
from shared.contracts.policy import Policy, Template

MESSAGE = UUID(int=7)


def a_template(text: str = "Dear {first_name|reader}", subject: str = "Hello", **more: Any) -> Template:
    languages = {
        "en": {"subject": subject, "text": text},
        "fa": {"subject": "سلام", "text": "سلام {first_name|}"},
        **more,
    }
    return Template.model_validate({"fallback": "en", "languages": languages})


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Dear {nickname|you}", "there is no place {nickname}"),
        ("Dear {name}", "a lead may lack what {name} stands for"),
        ("Dear {name|you", "belongs to nothing"),
        ("Dear name}", "belongs to nothing"),
    ],
)
def test_a_text_that_could_not_be_filled_in_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        a_template(text)


def test_a_subject_is_one_line() -> None:
    with pytest.raises(ValidationError, match="one line"):
        a_template(subject="Hello\nBcc: everybody@x.example")


def test_what_is_known_stands_in_its_place_and_what_is_not_is_said_otherwise() -> None:
    template = a_template("Dear {first_name|reader} of {company|your company} {{sic}}, {owner|we} will call.")
    known = {"name": "Ann van  Dam", "company": "Acme"}
    assert written(template, MESSAGE, "ann@x.example", known, owner="kim").text == (
        "Dear Ann of Acme {sic}, kim will call."
    )
    assert written(template, MESSAGE, "ann@x.example", {}, owner=None).text == (
        "Dear reader of your company {sic}, we will call."
    )


@pytest.mark.parametrize(
    ("language", "chosen"),
    [("fa", "fa"), ("fa-IR", "fa"), ("FA_ir", "fa"), ("de", "en"), ("pt-BR", "pt-BR"), ("pt", "en"), (None, "en")],
)
def test_it_is_written_in_the_language_of_the_lead_or_else_in_the_fallback(language: str | None, chosen: str) -> None:
    portuguese: dict[str, Any] = {"pt-BR": {"subject": "Olá", "text": "Olá"}}
    template = a_template(**portuguese)
    assert written(template, MESSAGE, "a@x.example", {"language": language}).language == chosen


@given(st.text(max_size=40))
def test_whatever_somebody_is_called_it_adds_neither_a_line_nor_a_place(name: str) -> None:
    mail = written(a_template("Dear {name|you}.", "For {name|you}"), MESSAGE, "a@x.example", {"name": name})
    assert "\n" not in mail.subject
    assert "\r" not in mail.subject
    said = " ".join(name.split())
    assert mail.text == f"Dear {said or 'you'}."


def test_an_address_that_is_none_is_no_address() -> None:
    assert address_of({"email": "ann@x.example"}) == "ann@x.example"
    for wrong in ("ann@x.example\nBcc: bob@x.example", "ann", "", None, 3):
        assert address_of({"email": wrong}) is None


@pytest.mark.parametrize(
    ("step", "wrong"),
    [
        ({"step": "hello", "channel": "email", "send": "hallo"}, "which is not under templates; there are: hello"),
        ({"step": "hello", "channel": "phone", "send": "hello"}, "write channel: email"),
    ],
)
def test_a_step_sends_a_template_that_there_is_by_mail(step: dict[str, Any], wrong: str) -> None:
    templates = {"hello": a_template().model_dump()}
    follow_up = {"cadences": [{"cadence": "all", "steps": [step]}]}
    with pytest.raises(ValidationError, match=wrong):
        Policy.model_validate({"version": "1", "defaults": {"templates": templates, "follow_up": follow_up}})
