"""What the command line makes of `--set`, and what it asks capture for."""

from __future__ import annotations

from typing import Any

import pytest

from shared.cli.http import CommandFailed
from shared.cli.quarantine import assigned, entries
from tests.unit.cli.fake_service import FakeService


@pytest.mark.parametrize(
    ("given", "patch"),
    [
        (["name=Ada Lovelace"], {"name": "Ada Lovelace"}),
        (["name="], {"name": None}),
        (["historical=true", "attributes.size=7"], {"historical": True, "attributes": {"size": 7}}),
        (["attributes.a=1", "attributes.b=x=y"], {"attributes": {"a": 1, "b": "x=y"}}),
        (['external_id="17"'], {"external_id": "17"}),
        (['consent={"purpose": "news"}'], {"consent": {"purpose": "news"}}),
    ],
)
def test_an_assignment_is_a_merge_patch(given: list[str], patch: dict[str, Any]) -> None:
    assert assigned(given) == patch


@pytest.mark.parametrize("given", [["name"], ["=x"], ["a..b=1"], ["a=1", "a.b=2"]])
def test_an_assignment_that_names_no_field_is_refused_with_a_fix(given: list[str]) -> None:
    with pytest.raises(CommandFailed) as refused:
        assigned(given)
    assert refused.value.fix


async def test_entries_are_read_page_by_page() -> None:
    service = FakeService(
        (200, {"items": [{"id": "1"}, {"id": "2"}], "next_cursor": "c"}),
        (200, {"items": [{"id": "3"}], "next_cursor": None}),
    )
    async with service.client() as client:
        found = [one["id"] async for one in entries(client, status="open", sender=None)]
    assert found == ["1", "2", "3"]
    assert [dict(request.url.params) for request in service.requests] == [
        {"status": "open", "limit": "500"},
        {"status": "open", "limit": "500", "cursor": "c"},
    ]
