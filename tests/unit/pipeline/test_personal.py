"""Who a lead is: what each record says, with what was written and probably meant."""

from __future__ import annotations

from typing import Any

import pytest

from services.pipeline.domain.capture_intake import personal
from services.pipeline.domain.ledger import known_with
from tests.unit.pipeline.builders import a_lead


def test_a_record_says_who_somebody_is_how_they_came_and_how_that_was_written() -> None:
    event = a_lead("ann@gmial.com", name="Ann", country="NL", as_sent={"country": "Holland"})
    assert event.personal is not None
    who = event.personal.model_copy(
        update={
            "click_ids": {"gclid": "Cj0K"},
            "as_sent": {"email": "Ann@GMIAL.com"},
            "suggestions": {"email": "ann@gmail.com"},
        }
    )
    assert personal(event.model_copy(update={"personal": who})) == {
        "gclid": "Cj0K",
        "name": "Ann",
        "email": "ann@gmial.com",
        "country": "NL",
        "as_sent": {"country": "Holland", "email": "Ann@GMIAL.com"},
        "suggestions": {"email": "ann@gmail.com"},
    }


def test_what_was_understood_as_it_was_written_says_nothing_more() -> None:
    assert personal(a_lead("ann@x.example")) == {"email": "ann@x.example"}


@pytest.mark.parametrize(
    ("known", "more", "both"),
    [
        ({"name": "Ann"}, {"email": "a@x"}, {"name": "Ann", "email": "a@x"}),
        ({"as_sent": {"phone": "06"}}, {"name": "Ann"}, {"as_sent": {"phone": "06"}, "name": "Ann"}),
        ({"phone": "+1", "as_sent": {"phone": "06"}}, {"phone": "+2"}, {"phone": "+2"}),
        (
            {"phone": "+1", "as_sent": {"phone": "06", "name": "ANN"}},
            {"phone": "+2", "as_sent": {"phone": "07"}},
            {"phone": "+2", "as_sent": {"phone": "07", "name": "ANN"}},
        ),
        ({"email": "a@gmial", "suggestions": {"email": "a@gmail"}}, {"email": "a@gmail"}, {"email": "a@gmail"}),
        (
            {"suggestions": {"email": "a@gmail"}},
            {"as_sent": {"email": "none of your business"}},
            {"as_sent": {"email": "none of your business"}},
        ),
    ],
)
def test_what_is_told_about_a_field_goes_with_the_record_that_has_the_field(
    known: dict[str, Any], more: dict[str, Any], both: dict[str, Any]
) -> None:
    assert known_with(known, more) == both
