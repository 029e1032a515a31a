"""What the command line makes of `--set`."""

from __future__ import annotations

from typing import Any

import pytest

from shared.cli.http import CommandFailed
from shared.cli.quarantine import assigned


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
