"""What one process reads from the log beside taking leads."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from services.capture.beside import stand_beside
from shared.contracts.topics import CAPTURE_LEADS, PIPELINE_ERASURES
from tests.support.clock import FakeClock
from tests.unit.capture.fakes import NOW, the_settings


@pytest.mark.parametrize(
    ("receipts", "read"), [(True, {CAPTURE_LEADS.name, PIPELINE_ERASURES.name}), (False, {PIPELINE_ERASURES.name})]
)
async def test_orders_of_erasure_are_read_also_by_a_process_that_leaves_receipts_to_another(
    receipts: bool, read: set[str]
) -> None:
    settings = the_settings(LEADFLOW_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none", receipts=receipts)
    beside = stand_beside(settings, FakeClock(NOW), CollectorRegistry(), (CAPTURE_LEADS, PIPELINE_ERASURES))
    assert beside.consumer is not None
    assert set(beside.consumer.topics) == read
    assert beside.reconciliation is not None
