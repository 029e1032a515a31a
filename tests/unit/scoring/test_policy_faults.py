"""A policy that would decide something else than its author thinks is refused, with the place and the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.contracts.policy import Policy
from shared.kit.documents import InvalidDocument, read_yaml

A_RULE = {"rule": "it", "field": "email", "present": True, "points": 5}
A_GRADE = {"grade": "only", "at_least": 0}


@pytest.mark.parametrize(
    ("unit", "complaint"),
    [
        ({"scoring": {"fit": [{**A_RULE, "field": "e-mail"}]}}, "'e-mail' is nothing a fit rule can look at"),
        ({"scoring": {"fit": [{**A_RULE, "field": "attributes."}]}}, "attributes.<name>"),
        ({"scoring": {"fit": [{**A_RULE, "equals": "x"}]}}, "exactly one of"),
        (
            {"scoring": {"fit": [{"rule": "it", "field": "email", "equals": "x", "points": 1}]}},
            "compare it with present",
        ),
        ({"scoring": {"fit": [{"rule": "it", "field": "country", "at_least": 3, "points": 1}]}}, "compares numbers"),
        ({"scoring": {"fit": [{"rule": "it", "field": "country", "one_of": [], "points": 1}]}}, "at least one value"),
        ({"scoring": {"fit": [A_RULE, A_RULE]}}, "'it' is there 2 times"),
        ({"scoring": {"fit": [{**A_RULE, "weight": 3}]}}, "Extra inputs are not permitted"),
        (
            {"scoring": {"engagement": [{"rule": "it", "kind": "call", "points": 1, "at_most": 0}]}},
            "greater than or equal to 1",
        ),
        ({"scoring": {"fit_at_most": -1}}, "greater than or equal to 0"),
        ({"scoring": {"grades": [A_GRADE, {"grade": "A", "at_least": 50}]}}, "from best to worst"),
        ({"scoring": {"grades": [{"grade": "A", "at_least": 101}, A_GRADE]}}, "from 0 to 100"),
        ({"scoring": {"grades": [{"grade": "A", "at_least": 5}]}}, "the last one starts at 0"),
        ({"qualification": {"grades": ["A", "Z"]}}, "grade 'Z', which scoring never gives"),
        ({"pipelines": {"default": [{"name": "x", "probability": 1}] * 2}}, "'x' is there 2 times"),
        ({"time_zone": "Europe/Amsterdm"}, "is no time zone"),
    ],
)
def test_a_policy_with_a_fault_is_refused_with_the_reason(tmp_path: Path, unit: dict[str, Any], complaint: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump({"version": "1", "defaults": unit}))
    with pytest.raises(InvalidDocument, match=complaint) as refused:
        read_yaml(path, Policy)
    assert str(path) in str(refused.value)


def test_the_policy_that_comes_with_leadflow_is_accepted() -> None:
    policy = read_yaml(Path(__file__).parents[3] / "policy.yaml", Policy)
    assert policy.unit("europe").scoring == policy.defaults.scoring


def test_a_fault_of_the_defaults_is_told_once_beside_those_of_the_units(tmp_path: Path) -> None:
    units = {"north": None, "south": {"qualification": {"grades": ["Z"]}}, "west": {"country": "Holland"}}
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump({"version": "1", "defaults": {"horizon_days": 0}, "business_units": units}))
    with pytest.raises(InvalidDocument) as refused:
        read_yaml(path, Policy)
    places = [line.split(": ")[1] for line in str(refused.value).splitlines()]
    assert places == ["defaults.horizon_days", "business_units.west.country"]


def test_a_unit_replaces_whole_sections_of_the_defaults() -> None:
    document = {
        "version": "1",
        "defaults": {"currency": "USD", "scoring": {"fit": [A_RULE]}},
        "business_units": {"north": None, "south": {"scoring": {"fit_at_most": 10}}},
    }
    policy = Policy.model_validate(document)
    assert policy.unit("north") == policy.unit("nobody wrote this one down") == policy.defaults
    assert (policy.unit("south").currency, policy.unit("south").scoring.fit) == ("USD", ())
