"""Dead letters that may say who somebody is are kept as long as is said, by whoever has any."""

from __future__ import annotations

import pytest

from shared.contracts.personal import REDACTED
from shared.kit.settings import PersonalSettings
from tests.contract.events_document import wiring
from tests.contract.settings import SETTINGS


@pytest.mark.parametrize("service", SETTINGS)
def test_who_reads_records_that_name_somebody_is_told_for_how_long_to_keep_them(service: str) -> None:
    """And nobody else: a setting that changes nothing promises what is not so."""
    consumes, _ = wiring(service)
    assert any(topic.name in REDACTED for topic in consumes) == issubclass(SETTINGS[service], PersonalSettings)
