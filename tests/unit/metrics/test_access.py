"""Who may what: every route has a rule or is for operators of all units, and no rule is for a route that there is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from services.metrics.access import RULES
from services.metrics.app import create_app
from services.metrics.domain.access import DEPLOYMENT, MANAGE, READ, Caller, Named, caller_of, holds
from services.metrics.settings import MetricsSettings
from shared.contracts.access import EVERYTHING, Grant, Me

ROOT = Path(__file__).parents[3]
FOR_OPERATORS = {
    ("GET", "/v1/stats"),
    ("GET", "/v1/rebuilds"),
    ("GET", "/v1/rebuilds/{rebuild_id}"),
    ("GET", "/v1/shadow"),
    ("GET", "/v1/shadow/comparison"),
    ("GET", "/v1/reports/deliveries"),
}
"""What is looked at by those who run it. All that writes and has no rule is theirs too."""


def routes() -> set[tuple[str, str]]:
    settings = MetricsSettings(
        api_token=SecretStr("t" * 16), identity_secret=SecretStr("s" * 32), database_url=SecretStr("postgresql://nobody@nowhere/none"),
        policy_file=ROOT / "policy.yaml",
    )  # fmt: skip
    paths = create_app(settings).openapi()["paths"]
    return {(method.upper(), path) for path, methods in paths.items() if path.startswith("/v1/") for method in methods}


def test_every_rule_is_of_a_route_and_what_reads_has_one() -> None:
    there = routes()
    assert set(RULES) <= there
    kits = ("/v1/dead-letters", "/v1/unreadable")
    reading = {one for one in there if one[0] == "GET" and not one[1].startswith(kits)}
    assert reading - set(RULES) == FOR_OPERATORS


def test_nothing_that_writes_is_for_those_who_read_but_reports_of_their_own() -> None:
    writing = {one for one, rule in RULES.items() if one[0] != "GET" and set(rule.roles) - set(MANAGE)}
    assert writing == {("PUT", "/v1/reports/{name}"), ("DELETE", "/v1/reports/{name}")}
    assert all(rule.named is not None for rule in RULES.values())
    assert all(rule.named is Named.INSIDE for one, rule in RULES.items() if one[0] != "GET")


@pytest.mark.parametrize(
    ("units", "asked", "held"),
    [
        (EVERYTHING, [None, "a"], True),
        (frozenset("a"), ["a"], True),
        (frozenset("a"), ["a", "b"], False),
        (frozenset("a"), [None], False),
        (frozenset("a"), [], True),
        (frozenset[str](), ["a"], False),
    ],
)
def test_what_is_of_no_unit_is_of_all(units: frozenset[str] | None, asked: list[str | None], held: bool) -> None:
    assert holds(units, asked) is held


def test_a_caller_has_each_role_where_it_holds() -> None:
    me = Me.model_validate(
        {"subject": "kim", "is_person": True, "grants": [
            {"role": "agent", "business_units": ["a", "b"]}, {"role": "manager", "business_units": ["b"]},
        ], "more": 1}
    )  # fmt: skip
    caller = caller_of(me)
    assert (caller.units(READ), caller.units(MANAGE)) == (frozenset("ab"), frozenset("b"))
    assert caller_of(Me(grants=me.grants)).units(READ) == frozenset(), "whoever is nobody is not the deployment"
    assert DEPLOYMENT.units(MANAGE) is None


@pytest.mark.parametrize(
    ("caller", "named", "actor"),
    [
        (DEPLOYMENT, "lee", "lee"),
        (Caller((Grant("agent", None),), "kim", True), "", "kim"),
        (Caller((Grant("agent", None),), "kim", True), "kim", "kim"),
        (Caller((Grant("agent", None),), "kim", True), "lee", None),
        (Caller((Grant("agent", None),), "crm", False), "lee", "lee via crm"),
    ],
)
def test_who_is_on_record(caller: Caller, named: str, actor: str | None) -> None:
    assert caller.actor(named) == actor
