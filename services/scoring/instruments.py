"""What scoring tells monitoring. Counts are of this process, made when a batch decided; one that is tried again counts
again. The ledger in the database is what audits read."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.scoring.domain.model import CUSTOMER, OPPORTUNITY
from services.scoring.domain.model.watching import Watch


class ScoringInstruments:
    """The instruments this service owns. Grades are those of the policy, so there are few."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.scores = Counter(
            "leadflow_scoring_scores_published_total", "Scores published, by grade.", ["grade"], registry=registry
        )
        self.ignored = Counter(
            "leadflow_scoring_events_ignored_total",
            "Events accepted that change no score, by kind of event.",
            ["event"],
            registry=registry,
        )
        self.swept = Counter(
            "leadflow_scoring_leads_swept_total",
            "Leads looked at because time had passed, by whether something had to be told.",
            ["outcome"],
            registry=registry,
        )
        self.sweep_late = Gauge(
            "leadflow_scoring_sweep_late_seconds",
            "How long the lead that is due the longest has been due, when the sweep last looked.",
            registry=registry,
        )
        self.audited = Counter(
            "leadflow_scoring_scores_audited_total",
            "Scores made again from the ledger, by whether they are the stored ones. None must be different.",
            ["outcome"],
            registry=registry,
        )


class ModelInstruments:
    """What the models at work tell. Units are those that have a model of their own, so there are few."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._usable = Gauge(
            "leadflow_scoring_model_usable",
            "1 for a model that was activated and speaks, 0 for one that cannot be used; none where none was activated.",
            ["outcome", "business_unit"],
            registry=registry,
        )
        self.failed = Counter(
            "leadflow_scoring_model_failures_total",
            "Leads that an active model failed at, and of which it said nothing, by the outcome it foretells.",
            ["outcome"],
            registry=registry,
        )
        for outcome in (OPPORTUNITY, CUSTOMER):
            self.failed.labels(outcome)

        self._drift = self._gauge(
            "drift",
            "How far recent leads are from those the active model was learned from: the population stability index of a "
            "feature, and of its probabilities, less what chance makes of it. More than 0.25 is another population.",
            "feature",
        )
        self._recent = self._gauge("drift_leads", "Recent leads that its drift was worked out from.")
        self._expected = self._gauge(
            "expected_share", "Of leads after those it was learned from, the share that was to reach its outcome."
        )
        self._observed = self._gauge("observed_share", "Of the same leads, the share that reached it.")
        self._error = self._gauge(
            "calibration_error", "Of the same leads, the mean distance of expected and observed over ten ranges."
        )
        self._auc = self._gauge("auc", "Of the same leads, how well its probability told who reached it.")
        self._matured = self._gauge("matured_leads", "Looks at leads whose horizon is over, after it was learned.")

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(
            f"leadflow_scoring_model_{name}", help_text, ["outcome", "business_unit", *labels], registry=self._registry
        )

    def watched(self, found: Mapping[tuple[str, str], tuple[Watch, Mapping[str, float]]]) -> None:
        """What was seen of each model, by outcome and whose it is. What could not be worked out has no sample."""
        gauges = (self._drift, self._recent, self._expected, self._observed, self._error, self._auc, self._matured)
        for gauge in gauges:
            gauge.clear()
        for place, (watch, drift) in found.items():
            self._recent.labels(*place).set(watch.recent_people)
            self._matured.labels(*place).set(len(watch.followed))
            for feature, index in drift.items():
                self._drift.labels(*place, feature).set(index)
            if (quality := watch.quality) is None:
                continue
            self._expected.labels(*place).set(sum(watch.probabilities) / quality.leads)
            self._observed.labels(*place).set(quality.positives / quality.leads)
            self._error.labels(*place).set(quality.ece)
            if quality.auc is not None:
                self._auc.labels(*place).set(quality.auc)

    def tell(self, usable: Mapping[tuple[str, str], bool]) -> None:
        """Which models can be used, by outcome and whose they are."""
        self._usable.clear()
        for place, can in usable.items():
            self._usable.labels(*place).set(can)


class TrainingInstruments:
    """What learning tells. The learner itself is another process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.ended = Counter(
            "leadflow_scoring_trainings_total",
            "Trainings that ended, by how: finished or failed.",
            ["status"],
            registry=registry,
        )
        for status in ("finished", "failed"):
            self.ended.labels(status)
