"""What scoring tells monitoring. Counts are of this process, made when a batch decided; one that is tried again counts
again. The ledger in the database is what audits read."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge


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
        self._usable = Gauge(
            "leadflow_scoring_model_usable",
            "1 for a model that was activated and speaks, 0 for one that cannot be used; none where none was activated.",
            ["business_unit"],
            registry=registry,
        )
        self.failed = Counter(
            "leadflow_scoring_model_failures_total",
            "Leads that the active model failed at, and of which rules alone spoke.",
            registry=registry,
        )

    def tell(self, usable: Mapping[str, bool]) -> None:
        """Whose models can be used."""
        self._usable.clear()
        for whose, can in usable.items():
            self._usable.labels(whose).set(can)
