"""What an identity provider says of somebody becomes roles in units, and nothing that it does not say."""

from __future__ import annotations

from typing import Any, cast

import pytest

from services.pipeline.api.guard import MANAGE, OPERATE, WORK
from services.pipeline.callers import Provider
from services.pipeline.domain.access import Grant, Reach
from services.pipeline.domain.claims import ClaimRules, read_meanings
from services.pipeline.domain.refusals import Refused
from shared.kit.oidc import Issuer

EU = frozenset({"europe"})


@pytest.mark.parametrize(
    ("meanings", "claims", "grants"),
    [
        ("", {"roles": ["agent"], "business_units": ["europe"]}, {Grant("agent", EU)}),
        ("", {"roles": "agent manager", "business_units": "europe"}, {Grant("agent", EU), Grant("manager", EU)}),
        ("", {"roles": ["manager"], "business_units": ["*"]}, {Grant("manager", None)}),
        ("", {"roles": "agent", "business_units": "far east"}, {Grant("agent", frozenset({"far east"}))}),
        ("", {"roles": ["manager"]}, set()),
        ("", {"roles": ["boss", 7], "business_units": ["europe"]}, set()),
        ("", {"business_units": ["europe"]}, set()),
        ("", {"roles": {"agent": True}, "business_units": ["europe"]}, set()),
        ("sales=agent@europe chefs=manager@europe+tehran", {"roles": ["sales"]}, {Grant("agent", EU)}),
        ("chefs=manager@europe+tehran", {"roles": ["chefs"]}, {Grant("manager", frozenset({"europe", "tehran"}))}),
        ("ops=operator@*", {"roles": ["ops", "agent"]}, {Grant("operator", None)}),
        ("sales=agent", {"roles": ["sales"], "business_units": ["europe"]}, {Grant("agent", EU)}),
    ],
)
def test_roles_are_held_where_it_is_said(meanings: str, claims: dict[str, Any], grants: set[Grant]) -> None:
    caller = ClaimRules(meanings=read_meanings(meanings)).caller({"sub": "kim", **claims})
    assert caller is not None
    assert set(caller.grants) == grants
    assert (caller.subject, caller.is_person, caller.name) == ("kim", True, "oidc")


def test_claims_are_found_by_name_before_they_are_found_inside() -> None:
    rules = ClaimRules("preferred_username", "realm_access.roles", "https://x.example/units")
    claims = {
        "preferred_username": "kim",
        "realm_access": {"roles": ["agent"]},
        "https://x.example/units": ["europe"],
    }
    caller = rules.caller(claims)
    assert caller is not None
    assert caller.grants == (Grant("agent", EU),)


@pytest.mark.parametrize("subject", [None, "", "  ", 7, ["kim"], "x" * 201])
def test_a_token_that_names_nobody_is_nobodys(subject: Any) -> None:
    assert ClaimRules().caller({"sub": subject, "roles": ["operator"], "business_units": ["*"]}) is None


@pytest.mark.parametrize("text", ["sales", "sales=boss", "=agent", "sales=agent@", "sales=agent@europe+"])
def test_a_mapping_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not GROUP=ROLE"):
        read_meanings(text)


def test_an_agent_here_and_a_manager_there_works_on_everything_there_only() -> None:
    caller = ClaimRules(meanings=read_meanings("a=agent@europe m=manager@tehran")).caller(
        {"sub": "kim", "roles": ["a", "m"]}
    )
    assert caller is not None
    reach = caller.reach(WORK)
    assert reach == Reach(frozenset({"tehran"}), EU, "kim")
    assert caller.reach(MANAGE) == Reach(frozenset({"tehran"}), frozenset(), "kim")
    assert caller.reach(OPERATE) is None
    with pytest.raises(Refused):
        reach.within("asia")


async def test_the_log_tells_people_apart_and_names_none_of_them() -> None:
    class Vouching:
        async def claims(self, given: str) -> dict[str, Any]:
            return {"sub": given, "roles": ["manager"], "business_units": ["*"]}

    provider = Provider(cast(Issuer, Vouching()), ClaimRules(), b"x" * 40)
    names = [(await provider.of(subject)).name for subject in ("kim", "lee", "kim")]
    assert names[0] == names[2] != names[1]
    assert names[0].startswith("oidc:")
    assert "kim" not in names[0]
