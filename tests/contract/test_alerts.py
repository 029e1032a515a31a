"""Every alert watches something that exists: a metric of that name, with samples that carry the labels it asks for."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry

from shared.kit.instruments import ConsumerInstruments
from shared.kit.positions import Tally

ALERTS = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
SELECTOR = re.compile(r'leadflow_consumer_\w+\{(\w+)="(\w+)"\}')


def test_what_alerts_select_of_a_consumer_is_what_a_consumer_counts() -> None:
    registry = CollectorRegistry()
    ended = Tally(records=4, duplicates=1, waiting=1, dead_lettered=1)
    ConsumerInstruments(registry).observe({("topic", 0): ended}, 0, 0.1)
    counted = {
        (name, value) for family in registry.collect() for one in family.samples for name, value in one.labels.items()
    }
    rules = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    selected = {found for rule in rules for found in SELECTOR.findall(rule["expr"])}
    assert selected == {("outcome", "dead_letter")}
    assert selected <= counted
