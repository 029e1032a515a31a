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
        ({"scoring": {"fit": [{"rule": "it", "points": 1}]}}, "needs `when`, or a `field`"),
        ({"scoring": {"fit": [{**A_RULE, "when": "email is known"}]}}, "not both"),
        ({"scoring": {"fit": [{"rule": "it", "when": "emial is known", "points": 1}]}}, "did you mean email?"),
        ({"scoring": {"fit": [{"rule": "it", "when": 'segment == "big"', "points": 1}]}}, "'big' is no segment"),
        ({"scoring": {"segments": {"big": 'segment == "big"'}}}, "'segment' is no field here"),
        (
            {"scoring": {"engagement": [{"rule": "it", "kind": "call", "when": "job_title is known", "points": 1}]}},
            "'job_title' is no field here",
        ),
        ({"scoring": {"engagement": [{"rule": "it", "points": 1}]}}, "`kind`, or a list `kinds`, or `silent_days`"),
        (
            {"scoring": {"engagement": [{"rule": "it", "kind": "call", "within_days": 3, "points": 1}]}},
            "give times, 2 or more",
        ),
        ({"scoring": {"engagement": [{"rule": "it", "silent_days": 3, "points": 1}]}}, "write a negative number"),
        (
            {"scoring": {"engagement": [{"rule": "it", "silent_days": 3, "kind": "call", "points": -1}]}},
            "silent_days stands alone; leave out kind",
        ),
        ({"scoring": {"decay": {"call": {"half_life_days": 0}}}}, "greater than or equal to 1"),
        ({"scoring": {"fit": [{**A_RULE, "group": "web"}]}}, "'web', which has no cap"),
        ({"scoring": {"caps": {"web": {"at_most": 5}}}}, "no rule is of the capped group 'web'"),
        ({"scoring": {"fit": [{**A_RULE, "group": "web"}], "caps": {"web": {}}}}, "at_most, at_least or both"),
        (
            {
                "scoring": {
                    "fit": [{**A_RULE, "group": "web"}],
                    "engagement": [{"rule": "x", "kind": "call", "points": 1, "group": "web"}],
                    "caps": {"web": {"at_most": 5}},
                }
            },
            "'web' is in fit and in engagement",
        ),
        ({"scoring": {"variants": [{"variant": "loans"}]}}, "some products, some segments, or both"),
        ({"scoring": {"variants": [{"variant": "loans", "segments": ["big"]}]}}, "'big' is no segment; there is none"),
        (
            {"scoring": {"variants": [{"variant": "loans", "products": ["loan"], "fit": [A_RULE, A_RULE]}]}},
            "variant 'loans': rule 'it' is there 2 times",
        ),
        ({"scoring": {"ratings": {"fit": [10, 20, 30]}}}, "go from the best to the worst"),
        ({"scoring": {"ratings": {"fit": [10, 20]}}}, "at least 3 items"),
        ({"scoring": {"ratings": {"hot": ["A1"], "warm": ["A1"]}}}, "A1 is hot and warm"),
        ({"scoring": {"ratings": {"hot": ["E1"]}}}, "should match pattern"),
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


def test_a_fault_in_a_condition_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        """version: "1"
defaults:
  scoring:
    segments:
      large: attributes.employees >= 1000
    fit:
      - {rule: known, when: email is known, points: 3}
      - rule: decides
        when: job_title contians "chief"
        points: 5
    engagement:
      - {rule: prices, kind: page_view, when: 'vaule starts with "/pricing"', points: 5}
"""
    )
    with pytest.raises(InvalidDocument) as refused:
        read_yaml(path, Policy)
    lines = str(refused.value).splitlines()
    assert [line.removeprefix(f"{path}:").split(":")[0] for line in lines] == ["8", "12"]
    assert "did you mean contains?" in lines[0]
    assert "did you mean value?" in lines[1]


def test_grades_of_variants_can_qualify() -> None:
    variant = {"variant": "loans", "products": ["loan"], "grades": [{"grade": "gold", "at_least": 0}]}
    unit = {"scoring": {"variants": [variant]}, "qualification": {"grades": ["gold"]}}
    assert Policy.model_validate({"version": "1", "defaults": unit}).defaults.qualification.grades == ("gold",)


def test_a_unit_replaces_whole_sections_of_the_defaults() -> None:
    document = {
        "version": "1",
        "defaults": {"currency": "USD", "scoring": {"fit": [A_RULE]}},
        "business_units": {"north": None, "south": {"scoring": {"fit_at_most": 10}}},
    }
    policy = Policy.model_validate(document)
    assert policy.unit("north") == policy.unit("nobody wrote this one down") == policy.defaults
    assert (policy.unit("south").currency, policy.unit("south").scoring.fit) == ("USD", ())
