"""Who is meant by what somebody types."""

from __future__ import annotations

from typing import Any

import pytest

from shared.cli.http import CommandFailed
from shared.cli.people.asking import person

ID = "8b0f4a8e-2b5c-5c0e-9d0b-5d1c8f0a7b31"


@pytest.mark.parametrize(
    ("who", "sender", "asked"),
    [
        (" ada@example.com ", None, {"email": "ada@example.com"}),
        ("+31 (0) 6-1234.5678", None, {"phone": "+31 (0) 6-1234.5678"}),
        (ID, None, {"lead_id": ID}),
        ("17", "crm", {"external_id": "17", "sender": "crm"}),
        ("ada@example.com", "crm", {"external_id": "ada@example.com", "sender": "crm"}),
    ],
)
def test_a_person_is_told_by_how_they_are_written(who: str, sender: str | None, asked: dict[str, Any]) -> None:
    assert person(who, sender, None) == asked
    assert person(who, sender, "shop") == {"business_unit": "shop", **asked}


@pytest.mark.parametrize("who", ["Ada Lovelace", "17", "0612345678", ""])
def test_what_could_be_anybody_is_refused_with_a_fix_and_not_repeated(who: str) -> None:
    with pytest.raises(CommandFailed) as refused:
        person(who, None, None)
    assert refused.value.fix
    assert not who or who not in refused.value.problem
