"""A setting says what it means where it is declared."""

from __future__ import annotations

import pytest

from tests.contract.settings import SETTINGS


@pytest.mark.parametrize("service", SETTINGS)
def test_every_setting_says_what_it_means(service: str) -> None:
    """Names and units are not enough: of a time-out somebody has to say what ends by it."""
    assert [name for name, field in SETTINGS[service].model_fields.items() if not field.description] == []
