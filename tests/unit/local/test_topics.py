"""Topics get the retention that the contracts promise, and survive the loss of a broker where there are several."""

from __future__ import annotations

import pytest

from shared.cli.topics import TopicPlan, TopicsFailed, plan_from_environment, settings_of
from shared.contracts.topics import CAPTURE_LEADS, PIPELINE_LIFECYCLE


def test_personal_data_is_kept_thirty_days_and_the_lifecycle_for_ever() -> None:
    assert settings_of(CAPTURE_LEADS, TopicPlan(4, 1))["retention.ms"] == str(30 * 24 * 3600 * 1000)
    assert settings_of(PIPELINE_LIFECYCLE, TopicPlan(4, 1))["retention.ms"] == "-1"


def test_with_several_brokers_a_write_is_on_two_before_it_is_acknowledged() -> None:
    assert settings_of(CAPTURE_LEADS, TopicPlan(12, 3))["min.insync.replicas"] == "2"
    assert "min.insync.replicas" not in settings_of(CAPTURE_LEADS, TopicPlan(4, 1))


def test_the_plan_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADFLOW_KAFKA_PARTITIONS", "24")
    monkeypatch.setenv("LEADFLOW_KAFKA_REPLICATION_FACTOR", "3")
    assert plan_from_environment() == TopicPlan(24, 3)
    monkeypatch.setenv("LEADFLOW_KAFKA_PARTITIONS", "many")
    with pytest.raises(TopicsFailed, match="LEADFLOW_KAFKA_PARTITIONS"):
        plan_from_environment()
