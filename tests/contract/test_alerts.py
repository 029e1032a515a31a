"""Every alert watches something that exists: a metric of that name, with samples that carry the labels it asks for."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from services.capture.instruments import QuarantineInstruments, SpoolInstruments, UploadInstruments
from services.pipeline.instruments import MessageInstruments, WebhookInstruments, WorkInstruments
from services.scoring.domain.model import CUSTOMER, AdditiveModel
from services.scoring.domain.model.assessor import Expert
from services.scoring.domain.model.watching import Watch
from services.scoring.instruments import ModelInstruments, TrainingInstruments
from shared.kit.instruments import ConsumerInstruments
from shared.kit.positions import Tally

ALERTS = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
SELECTOR = re.compile(r'leadflow_consumer_\w+\{(\w+)="(\w+)"\}')
QUARANTINE = re.compile(r"leadflow_capture_quarantine\w+")
TRAINING = re.compile(r'leadflow_scoring_trainings_total\{status="(\w+)"\}')
MODEL = re.compile(r"leadflow_scoring_model\w+")
WORK = re.compile(r"leadflow_pipeline_(?:unassigned|timers|contacts)\w+")
WEBHOOKS = re.compile(r"leadflow_pipeline_(?:webhook|message)\w+")
UPLOADS = re.compile(r"leadflow_capture_upload\w+")
SPOOL = re.compile(r"leadflow_capture_spool\w+")
PLACE = CUSTOMER, "every unit"


def expressions() -> list[str]:
    """What the alerts look at."""
    return [rule["expr"] for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]]


def test_what_alerts_select_of_a_consumer_is_what_a_consumer_counts() -> None:
    registry = CollectorRegistry()
    ended = Tally(records=4, duplicates=1, waiting=1, dead_lettered=1)
    ConsumerInstruments(registry).observe({("topic", 0): ended}, 0, 0.1)
    counted = {
        (name, value) for family in registry.collect() for one in family.samples for name, value in one.labels.items()
    }
    selected = {found for expression in expressions() for found in SELECTOR.findall(expression)}
    assert selected == {("outcome", "dead_letter")}
    assert selected <= counted


def test_what_alerts_watch_of_a_spool_is_what_a_spool_tells_from_its_first_scrape_on() -> None:
    registry = CollectorRegistry()
    SpoolInstruments(registry)
    told = {sample.name for family in registry.collect() for sample in family.samples}
    watched = {found for expression in expressions() for found in SPOOL.findall(expression)}
    assert len(watched) >= 5
    assert watched <= told


def test_what_alerts_watch_of_quarantine_is_what_quarantine_tells() -> None:
    registry = CollectorRegistry()
    instruments = QuarantineInstruments(registry)
    instruments.not_kept.labels("invalid")
    told = {sample.name for family in registry.collect() for sample in family.samples}
    watched = {found for expression in expressions() for found in QUARANTINE.findall(expression)}
    assert len(watched) == 2
    assert watched <= told


def test_what_alerts_watch_of_uploads_is_what_uploads_tell() -> None:
    registry = CollectorRegistry()
    UploadInstruments(registry)
    told = {sample.name for family in registry.collect() for sample in family.samples}
    watched = {found for expression in expressions() for found in UPLOADS.findall(expression)}
    assert watched
    assert watched <= told


def test_what_alerts_watch_of_a_model_is_what_models_at_work_tell() -> None:
    registry = CollectorRegistry()
    instruments = ModelInstruments(registry)
    instruments.tell({PLACE: True})
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    seen = Watch(Expert("one", AdditiveModel(0, ())), CUSTOMER, timedelta(days=90), moment, moment)
    seen.probabilities, seen.followed = [0.2], [True]
    instruments.watched({PLACE: (seen, {"channel": 0.1})})
    told = {sample.name for family in registry.collect() for sample in family.samples}
    watched = {found for expression in expressions() for found in MODEL.findall(expression)}
    assert len(watched) >= 7
    assert watched <= told


def test_what_alerts_watch_of_trainings_is_there_from_the_first_scrape_on() -> None:
    registry = CollectorRegistry()
    TrainingInstruments(registry)
    watched = [found for expression in expressions() for found in TRAINING.findall(expression)]
    assert watched == ["failed"]
    assert registry.get_sample_value("leadflow_scoring_trainings_total", {"status": "failed"}) == 0


def test_what_alerts_watch_of_work_is_what_pipeline_tells() -> None:
    registry = CollectorRegistry()
    instruments = WorkInstruments(registry)
    instruments.unassigned_since.labels("default")
    told = {sample.name for family in registry.collect() for sample in family.samples}
    watched = {found for expression in expressions() for found in WORK.findall(expression)}
    assert len(watched) >= 3
    assert watched <= told


def test_what_alerts_watch_of_webhooks_and_messages_is_what_pipeline_tells_from_its_first_scrape_on() -> None:
    registry = CollectorRegistry()
    WebhookInstruments(registry)
    MessageInstruments(registry)
    told = {sample.name for family in registry.collect() for sample in family.samples}
    watched = {found for expression in expressions() for found in WEBHOOKS.findall(expression)}
    assert len(watched) == 4
    assert watched <= told


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool, of Prometheus, is not installed")
@pytest.mark.parametrize("rules", ["alerts", "alerts.days", "recording"])
def test_alerts_fire_when_they_should_and_what_is_recorded_is_right(rules: str) -> None:
    said = subprocess.run(
        ["promtool", "test", "rules", str(ALERTS.with_name(f"{rules}.test.yml"))], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout + said.stderr
