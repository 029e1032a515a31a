"""Learning at the command line, by the real learner beside the real services: what is found, or missing, is told and kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.services import RunningServices

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_training_tells_what_it_found_and_the_registry_keeps_it(leadflow: RunningServices) -> None:
    lived = leadflow.cli("demo", "--seed", "7", "--leads", "150", timeout_seconds=250)
    assert lived.returncode == 0, lived.stdout + lived.stderr
    done = leadflow.cli("scoring", "train", "--json", timeout_seconds=250)
    assert done.returncode == 0, done.stdout + done.stderr
    training: dict[str, Any] = json.loads(done.stdout)
    assert (training["status"], training["dry_run"]) == ("finished", False)
    found = {(one["business_unit"], one["outcome"]): one for one in training["results"]}
    assert {unit for unit, _ in found} == {"", "europe", "tehran"}
    assert {one["found"] for one in found.values()} == {"too_little"}
    assert found["", "opportunity"]["numbers"]["people"] > 100
    listed = leadflow.cli("scoring", "models", "list")
    assert "No model speaks: rules alone do." in listed.stdout
    assert "all, opportunity: rules alone speak: of leads of all units whose 90 days are over" in listed.stdout


def test_what_cannot_be_done_is_told_with_what_to_do(leadflow: RunningServices) -> None:
    strange = leadflow.cli("scoring", "train", "--unit", "atlantis", timeout_seconds=250)
    assert strange.returncode == 1
    assert "There is no business unit 'atlantis'; there are " in strange.stdout
    for arguments, problem in (
        (("rollback",), "No model of its own speaks for all units about opportunity."),
        (("activate", "nothing"), "There is no model 'nothing'."),
        (("show", "nothing"), "There is no model 'nothing'."),
    ):
        refused = leadflow.cli("scoring", "models", *arguments)
        assert refused.returncode == 2, arguments
        assert problem in refused.stderr
