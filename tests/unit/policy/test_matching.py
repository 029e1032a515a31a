"""What a unit may ask of matching."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared.contracts.policy import Matching, UnitPolicy


def test_nothing_is_looked_for_and_nothing_merged_until_a_unit_says_so() -> None:
    matching = UnitPolicy().matching
    assert not matching.enabled
    assert not matching.automatic


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"enabled": True, "merge_from": 0.8}, "merge_from 0.8 is below review_from 0.9"),
        ({"automatic": True}, "automatic needs enabled: true"),
        ({"review_from": 0.2}, "greater than or equal to 0.5"),
    ],
)
def test_what_would_merge_more_than_it_asks_about_is_a_fault(said: dict[str, object], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Matching.model_validate(said)
