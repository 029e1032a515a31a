"""The business on /metrics: read from what is committed, so that a restart neither resets nor doubles a number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from services.metrics.domain.entries import Measure
from services.metrics.domain.rollups import DAY_SECONDS
from services.metrics.storage.snapshots import FUNNEL, Snapshot, snapshot
from shared.contracts.policy import Policy
from shared.kit.database import Database
from shared.kit.looking import Looking

BUCKET_DAYS = (1, 2, 3, 7, 14, 21, 30, 45, 60, 90, 120, 180, 365)

RATIOS = {
    "qualified": (Measure.LEAD_QUALIFIED, (Measure.LEAD_CREATED,)),
    "converted": (Measure.LEAD_CONVERTED, (Measure.LEAD_CREATED,)),
    "customer": (Measure.LEAD_CUSTOMER, (Measure.LEAD_CREATED,)),
    "won": (Measure.OPPORTUNITY_WON, (Measure.OPPORTUNITY_WON, Measure.OPPORTUNITY_LOST)),
}

DEALS = {
    Measure.OPPORTUNITY_OPENED: "opened",
    Measure.OPPORTUNITY_OPEN: "open",
    Measure.OPPORTUNITY_WON: "won",
    Measure.OPPORTUNITY_LOST: "lost",
}

HISTOGRAMS = {
    Measure.LEAD_CUSTOMER: ("leadflow_sales_cycle_seconds", "First touch to first win, by customer."),
    Measure.OPPORTUNITY_WON: ("leadflow_opportunity_cycle_seconds", "Opened to won, by opportunity."),
    Measure.COHORT_CONVERTED: ("leadflow_time_to_convert_seconds", "Created to first opportunity, of those converted."),
}


class BusinessMetrics(Collector):
    """A collector that shows the newest snapshot. All are gauges of what holds: a reopened lead takes itself back.
    Units and channels the policy does not name share the label `other`; what is not known is `unknown`."""

    def __init__(
        self, database: Database, policy: Policy, registry: CollectorRegistry, *, max_age_seconds: float
    ) -> None:
        self._database = database
        self._policy = policy
        self._looking = Looking(max_age_seconds=max_age_seconds)
        self._snapshot: Snapshot | None = None
        registry.register(self)

    async def refresh(self) -> None:
        """Takes a new snapshot if the last one is too old. A database that is away leaves the last one."""
        if (seen := await self._looking.at(lambda: snapshot(self._database))) is not None:
            self._snapshot = seen

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before the first snapshot; naming no metric keeps registration from asking for one."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The newest snapshot as metrics."""
        if self._snapshot is None:
            return
        yield self._funnel(self._snapshot)
        yield self._marked(self._snapshot)
        yield from self._ratios(self._snapshot)
        yield from self._deals(self._snapshot)
        yield from self._histograms(self._snapshot)
        yield from self._freshness(self._snapshot)
        yield from self._audit(self._snapshot)

    def _unit(self, unit: str) -> str:
        return unit if unit == "default" or unit in self._policy.business_units else "other"

    def _channel(self, unit: str, channel: str | None) -> str:
        if channel is None:
            return "unknown"
        return channel if channel in self._policy.unit(unit).channels else "other"

    def _funnel(self, seen: Snapshot) -> Metric:
        family = GaugeMetricFamily(
            "leadflow_funnel_leads",
            "Leads, merged ones once, that ever got to a stage of the funnel; archived ones are those that still are.",
            labels=["business_unit", "channel", "stage"],
        )
        sums: dict[tuple[str, str, str], int] = defaultdict(int)
        for (unit, measure, channel), count in seen.funnel.items():
            sums[self._unit(unit), self._channel(unit, channel), FUNNEL[Measure(measure)]] += count
        for labels, count in sorted(sums.items()):
            family.add_metric(labels, count)
        return family

    def _marked(self, seen: Snapshot) -> Metric:
        family = GaugeMetricFamily(
            "leadflow_leads_marked", "Leads held out of the numbers, by why.", labels=["business_unit", "mark"]
        )
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for (unit, mark), count in seen.marked.items():
            sums[self._unit(unit), mark] += count
        for labels, count in sorted(sums.items()):
            family.add_metric(labels, count)
        return family

    def _ratios(self, seen: Snapshot) -> Iterator[Metric]:
        above = GaugeMetricFamily(
            "leadflow_conversion_numerator", "Above the line of a conversion.", labels=["business_unit", "conversion"]
        )
        below = GaugeMetricFamily(
            "leadflow_conversion_denominator", "Below the line of a conversion.", labels=["business_unit", "conversion"]
        )
        sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        for unit in sorted({unit for unit, _ in seen.totals}):
            for name, (numerator, denominator) in RATIOS.items():
                found = sums[self._unit(unit), name]
                found[0] += seen.totals.get((unit, numerator), 0)
                found[1] += sum(seen.totals.get((unit, measure), 0) for measure in denominator)
        for labels, (numerators, denominators) in sums.items():
            above.add_metric(labels, numerators)
            below.add_metric(labels, denominators)
        yield above
        yield below

    def _deals(self, seen: Snapshot) -> Iterator[Metric]:
        number = GaugeMetricFamily(
            "leadflow_opportunities",
            "Opportunities: ever opened, and those open, won and lost now.",
            labels=["business_unit", "status"],
        )
        value = GaugeMetricFamily(
            "leadflow_opportunity_value",
            "What opportunities are worth that are open, were won and were lost, by the currencies that the policy names.",
            labels=["business_unit", "status", "currency"],
        )
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for (unit, measure), count in seen.totals.items():
            if measure in DEALS:
                counts[self._unit(unit), DEALS[Measure(measure)]] += count
        for labels, count in sorted(counts.items()):
            number.add_metric(labels, count)
        yield number
        currencies = {unit.currency for unit in (self._policy.defaults, *self._policy.business_units.values())}
        amounts: dict[tuple[str, str, str], float] = defaultdict(float)
        for (unit, measure, currency), amount in seen.money.items():
            if (
                currency in currencies
            ):  # so that there are no more labels than the policy has; others are never added up
                amounts[self._unit(unit), DEALS[Measure(measure)], currency] += amount
        for (unit, status, currency), amount in sorted(amounts.items()):
            value.add_metric([unit, status, currency], amount)
        yield value

    def _histograms(self, seen: Snapshot) -> Iterator[Metric]:
        for measure, (name, text) in HISTOGRAMS.items():
            family = HistogramMetricFamily(name, text, labels=["business_unit"])
            buckets: dict[str, dict[float, int]] = defaultdict(lambda: dict.fromkeys((*BUCKET_DAYS, float("inf")), 0))
            seconds: dict[str, float] = defaultdict(float)
            for (unit, aged, age), (count, total) in seen.ages.items():
                if aged == measure:
                    label = self._unit(unit)
                    seconds[label] += total
                    for bound in buckets[label]:
                        buckets[label][bound] += count if age <= bound else 0
            for unit, counted in sorted(buckets.items()):
                bounds = [
                    ("+Inf" if days == float("inf") else f"{float(days * DAY_SECONDS)}", n)
                    for days, n in counted.items()
                ]
                family.add_metric([unit], bounds, sum_value=seconds[unit])
            yield family

    def _freshness(self, seen: Snapshot) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "leadflow_metrics_read_timestamp_seconds",
            "When these numbers were read from the database, by its clock, Unix time: of several replicas the newest is right.",
            seen.read_at.timestamp(),
        )
        yield GaugeMetricFamily("leadflow_metrics_folded_facts", "Lifecycle facts folded, duplicates once.", seen.facts)
        if seen.delay_seconds is not None:
            yield GaugeMetricFamily(
                "leadflow_freshness_seconds",
                "How old the newest fact was, since it was recorded, when it was folded lately into the numbers; 0 where none was.",
                max(seen.delay_seconds, 0.0),
            )
        if seen.newest_recorded_at is not None:
            yield GaugeMetricFamily(
                "leadflow_metrics_folded_to_timestamp_seconds",
                "Up to when the log is folded, Unix time: when the newest folded fact was recorded, or since when a partition has any unread.",
                seen.newest_recorded_at.timestamp(),
            )
        if seen.newest_occurred_at is not None:
            yield GaugeMetricFamily(
                "leadflow_metrics_watermark_timestamp_seconds",
                "When the newest folded fact happened, Unix time: an answer for a later moment knows no more.",
                seen.newest_occurred_at.timestamp(),
            )

    def _audit(self, seen: Snapshot) -> Iterator[Metric]:
        if seen.audited_at is None:
            return
        different = GaugeMetricFamily(
            "leadflow_audit_different",
            "What the last finished audit found different, by check; 0 is right.",
            labels=["check"],
        )
        for check, count in sorted(seen.audit.items()):
            different.add_metric([check], count)
        yield different
        yield GaugeMetricFamily(
            "leadflow_audit_finished_timestamp_seconds",
            "When the last audit finished, Unix time.",
            seen.audited_at.timestamp(),
        )
