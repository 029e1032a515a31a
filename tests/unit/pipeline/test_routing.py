"""Who gets a lead: the first rule with somebody free, shared as the team's strategy says, and always somebody."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.pipeline.domain.routing import Absence, Chosen, Office, Router
from shared.contracts.policy import Routing, UnitPolicy
from tests.unit.pipeline.builders import START, at

OWNERS: dict[str, Any] = {"ann": {}, "bob": {}, "cat": {}, "boss": {}}


def a_router(**routing: Any) -> Router:
    said = {"owners": OWNERS, "fallback": "boss", **routing}
    return Router(UnitPolicy.model_validate({"time_zone": "UTC", "routing": said}))


def an_office(*absences: Absence, **loads: int) -> Office:
    return Office(dict(loads), {}, absences)


def shared_by(strategy: str = "round_robin", members: tuple[str, ...] = ("ann", "bob", "cat"), **more: Any) -> Router:
    return a_router(
        teams={"north": {"strategy": strategy, "members": members}}, rules=[{"rule": "all", "to": "north"}], **more
    )


def given_out(router: Router, office: Office, leads: int) -> list[str]:
    return [router.route({}, office, START).owner for _ in range(leads)]


def test_the_first_rule_that_holds_decides() -> None:
    router = a_router(
        teams={"dutch": {"members": ["ann"]}},
        rules=[
            {"rule": "big deals", "when": 'product == "roof" and score >= 80', "to": "bob"},
            {"rule": "at home", "when": 'country in ["NL", "BE"]', "to": "dutch"},
            {"rule": "persian", "when": 'language == "fa" or channel == "phone"', "to": "cat"},
        ],
    )
    office = an_office()

    def owner(**lead: Any) -> tuple[str, str | None, str]:
        chosen = router.route(lead, office, START)
        return chosen.owner, chosen.team, chosen.rule

    assert owner(product="Roof", score=90, country="NL") == ("bob", None, "big deals")
    assert owner(product="roof", score=70, country="nl") == ("ann", "dutch", "at home")
    assert owner(channel="phone") == ("cat", None, "persian")
    assert owner(country="DE") == ("boss", None, "fallback")


def test_each_gets_one_in_turn() -> None:
    assert given_out(shared_by(), an_office(), 7) == ["ann", "bob", "cat", "ann", "bob", "cat", "ann"]


def test_weights_are_shares_and_are_mixed() -> None:
    router = shared_by(
        "weighted", owners={"ann": {"weight": 3}, "bob": {"weight": 1}, "cat": {"weight": 2}, "boss": {}}
    )
    turns = given_out(router, an_office(), 60)
    assert Counter(turns) == {"ann": 30, "cat": 20, "bob": 10}
    assert len(set(turns[:4])) == 3


def test_whoever_has_least_is_next() -> None:
    router = shared_by("least_busy")
    assert given_out(router, an_office(ann=5, bob=2, cat=4), 4) == ["bob", "bob", "cat", "bob"]


def test_whoever_was_away_is_next_once_and_not_given_all_they_missed() -> None:
    router, office = shared_by(), an_office(Absence("cat", START, at(10)))
    assert set(given_out(router, office, 20)) == {"ann", "bob"}
    office.absences = ()
    assert Counter(given_out(router, office, 9)) == {"ann": 3, "bob": 3, "cat": 3}


def test_nobody_is_given_more_than_they_can_have_and_the_rest_has_somebody_too() -> None:
    router = shared_by(owners={**OWNERS, "ann": {"capacity": 2}, "bob": {"capacity": 1}, "cat": {"capacity": 0}})
    office = an_office(ann=1)
    assert given_out(router, office, 4) == ["ann", "bob", "boss", "boss"]
    told = router.route({}, office, START)
    assert told == Chosen("boss", None, "fallback", "nobody of north is free")


def test_a_rule_whose_owner_is_away_is_passed_over() -> None:
    router = a_router(rules=[{"rule": "first", "to": "ann"}, {"rule": "second", "to": "bob"}])
    away = an_office(Absence("ann", at(-10), at(10)))
    assert router.route({}, away, START).rule == "second"
    assert router.route({}, away, at(10)).rule == "first"


def test_whoever_is_at_work_goes_before_whoever_is_not_and_at_night_it_waits_for_the_morning() -> None:
    router = shared_by(
        owners={**OWNERS, "ann": {"working_hours": {"monday": "10:00-18:00"}}, "bob": {"working_hours": {"monday": "08:00-09:30"}}},
        members=("ann", "bob"),
    )  # fmt: skip
    office = an_office()
    assert router.route({}, office, START).owner == "bob"
    assert router.route({}, office, START).owner == "bob"
    assert router.route({}, office, at(120)).reason == "next in turn, at work, 1 free"
    night = router.route({}, office, at(60 * 14))
    assert (night.owner, night.reason) == ("ann", "next in turn, off, 2 free")


def test_an_owner_works_where_they_are() -> None:
    hours = {"monday": "09:00-17:00"}
    router = shared_by(
        owners={
            "ann": {"working_hours": hours, "time_zone": "America/New_York"},
            "bob": {"working_hours": hours, "time_zone": "Europe/Amsterdam"},
            "boss": {},
        },
        members=("ann", "bob"),
    )
    assert router.route({}, an_office(), START).owner == "bob"
    assert router.route({}, an_office(), START + timedelta(hours=9)).owner == "ann"


@pytest.mark.parametrize(
    ("routing", "said"),
    [
        ({"rules": [{"rule": "a", "to": "ann"}], "owners": {"ann": {}}}, "fallback is missing"),
        ({"fallback": "zoe"}, "fallback names 'zoe', which is not under owners"),
        ({"owners": {"ann": {}}, "fallback": "ann", "rules": [{"rule": "a", "to": "south"}]}, "rule 'a' leads to 'south'"),
        ({"teams": {"north": {"members": ["zoe"]}}}, "team 'north' has the member 'zoe'"),
        ({"teams": {"north": {"members": ["a", "a"]}}}, "member 'a' is there 2 times"),
        ({"owners": {"ann": {}}, "teams": {"ann": {"members": ["ann"]}}}, "'ann' is a team and an owner"),
        (
            {"owners": {"ann": {}}, "fallback": "ann", "rules": [{"rule": "a", "to": "ann", "when": "attributes.size > 3"}]},
            "'attributes.size' is not kept where leads are given out",
        ),
        (
            {"owners": {"ann": {}}, "fallback": "ann", "rules": [{"rule": "a", "to": "ann", "when": 'contry == "NL"'}]},
            "did you mean country?",
        ),
    ],
)  # fmt: skip
def test_a_routing_that_leads_nowhere_is_refused_with_what_to_write(routing: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said.replace("?", r"\?")):
        Routing.model_validate(routing)


@pytest.mark.parametrize("hours", ["9-17", "17:00-09:00", "09:00-25:00", "09:70-10:00", ["09:00-12:00", "11:00-13:00"]])
def test_hours_that_no_clock_shows_are_refused(hours: Any) -> None:
    with pytest.raises(ValidationError, match=r"write|clock"):
        UnitPolicy.model_validate({"working_hours": {"monday": hours}})


@given(
    st.lists(st.tuples(st.sampled_from(["ann", "bob", "cat"]), st.integers(0, 60), st.integers(1, 60)), max_size=4),
    st.lists(st.integers(0, 60), max_size=40),
    st.sampled_from(["round_robin", "weighted", "least_busy"]),
    st.dictionaries(st.sampled_from(["ann", "bob", "cat"]), st.integers(0, 5)),
)
def test_everybody_gets_somebody_who_can_have_it_and_the_same_again(
    away: list[tuple[str, int, int]], minutes: list[int], strategy: str, capacities: dict[str, int]
) -> None:
    owners = {name: {"capacity": capacities.get(name)} for name in OWNERS}
    router = shared_by(strategy, owners=owners)
    absences = [Absence(owner, at(start), at(start + length)) for owner, start, length in away]

    def once() -> list[Chosen]:
        office = an_office(*absences)
        return [router.route({}, office, at(minute)) for minute in sorted(minutes)]

    chosen = once()
    assert chosen == once()
    for one, minute in zip(chosen, sorted(minutes), strict=True):
        assert one.owner == "boss" or not an_office(*absences).is_absent(one.owner, at(minute))
    given_to = Counter(one.owner for one in chosen)
    assert all(given_to[name] <= most for name, most in capacities.items())


@pytest.mark.parametrize(("own", "presence"), [({}, "off"), ({"holidays": []}, "at work")])
def test_who_has_hours_of_their_own_has_the_units_holidays_unless_they_have_their_own(
    own: dict[str, Any], presence: str
) -> None:
    hours = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), "00:00-24:00")
    said: dict[str, Any] = {
        "time_zone": "UTC",
        "working_hours": {**hours, "holidays": [START.date().isoformat()]},
        "routing": {"owners": {"ann": {"working_hours": {**hours, **own}}}, "fallback": "ann"},
    }
    assert Router(UnitPolicy.model_validate(said)).presence("ann", an_office(), START) == presence
