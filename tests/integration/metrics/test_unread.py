"""An answer says up to when the log is folded: the partition that is furthest behind tells, not the newest fact of all."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace

from services.metrics.unread import Unread
from shared.contracts.topics import PIPELINE_LIFECYCLE, PIPELINE_VISITS
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told, day

SHOWN = "leadflow_metrics_folded_to_timestamp_seconds"


async def folded_to(metrics: Metrics) -> datetime | None:
    """What answers say, which is what monitoring is shown."""
    told = (await metrics.ask("leads_created"))["folded_to"]
    shown = [line.split()[1] for line in (await metrics.scrape()).splitlines() if line.startswith(f"{SHOWN} ")]
    moment = None if told is None else datetime.fromisoformat(told)
    assert [float(one) for one in shown] == ([] if moment is None else [moment.timestamp()])
    return moment


async def test_what_stands_still_in_one_partition_is_said_by_every_answer(metrics: Metrics) -> None:
    reads = SimpleNamespace(unread_since={})
    telling = Unread(metrics.database, reads)
    topic = PIPELINE_LIFECYCLE.name
    stands_at = day(3)
    reads.unread_since = {topic: stands_at}
    await telling.once()
    assert await folded_to(metrics) is None, "nothing is in the numbers"
    await metrics.fold(Told().tell("a", "LeadCreated", 5).facts)
    assert await folded_to(metrics) == stands_at
    reads.unread_since = {}
    await telling.once()
    assert await folded_to(metrics) == stands_at, "this replica has not looked yet"
    reads.unread_since = {topic: None, PIPELINE_VISITS.name: day(1)}
    await telling.once()
    assert await folded_to(metrics) == day(5)
    reads.unread_since = {topic: day(5) + timedelta(hours=1)}
    await telling.once()
    assert await folded_to(metrics) == day(5), "what came last is folded, something later is not"
