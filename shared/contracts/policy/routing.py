"""Who gets a lead: rules that are looked at in order, teams that share what they are given, and who takes the rest."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from shared.contracts.conditions import ATTRIBUTE_PREFIX, FieldKind, Vocabulary, WrongCondition, fields_of, parse
from shared.contracts.envelope import Name
from shared.contracts.policy.section import Section, refuse_twice
from shared.contracts.policy.working_time import WorkingHours, ZoneName

ROUTING_VOCABULARY: Vocabulary = {
    **dict.fromkeys(("country", "language", "company", "job_title"), FieldKind.TEXT),
    **dict.fromkeys(("product", "channel", "source", "medium", "campaign", "grade"), FieldKind.TEXT),
    "score": FieldKind.ANY,
}
"""What a routing rule may look at: who the lead is, how it was first reached, what scoring says."""

Strategy = Literal["round_robin", "weighted", "least_busy"]


def _a_rules_condition(text: str) -> str:
    for field in fields_of(parse(text, ROUTING_VOCABULARY)):
        if field.startswith(ATTRIBUTE_PREFIX):
            raise WrongCondition(f"{field!r} is not kept where leads are given out; write one of {_FIELDS}")
    return text


_FIELDS = ", ".join(ROUTING_VOCABULARY)

RoutingCondition = Annotated[str, AfterValidator(_a_rules_condition)]


class Owner(Section):
    """Somebody who works leads: how many at most at once, how many for each one of a colleague, and when."""

    capacity: Annotated[int, Field(ge=0)] | None = None
    weight: Annotated[int, Field(ge=1, le=100)] = 1
    time_zone: ZoneName | None = None
    working_hours: WorkingHours | None = None


class Team(Section):
    """Owners who share what they are given: each in turn, by their weights, or whoever has least."""

    strategy: Strategy = "round_robin"
    members: Annotated[tuple[Name, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _members_differ(self) -> Team:
        refuse_twice("member", self.members)
        return self


class RoutingRule(Section):
    """To which team or owner a lead goes for which the condition holds; without one, any."""

    rule: Name
    when: RoutingCondition | None = None
    to: Name


class Routing(Section):
    """The first rule that holds and has somebody free decides. `fallback` takes what none does, whatever they have already."""

    owners: dict[Name, Owner] = Field(default_factory=dict)
    teams: dict[Name, Team] = Field(default_factory=dict)
    rules: tuple[RoutingRule, ...] = ()
    fallback: Name | None = None

    @model_validator(mode="after")
    def _names_mean_somebody(self) -> Routing:
        refuse_twice("routing rule", (one.rule for one in self.rules))
        for team, known in self.teams.items():
            if team in self.owners:
                raise ValueError(f"{team!r} is a team and an owner; give one of them another name")
            for member in known.members:
                self._owner(member, f"team {team!r} has the member")
        for rule in self.rules:
            if rule.to not in self.teams:
                self._owner(rule.to, f"rule {rule.rule!r} leads to")
        if self.rules and self.fallback is None:
            raise ValueError("fallback is missing: name the owner who takes what no rule gives to anybody")
        if self.fallback is not None:
            self._owner(self.fallback, "fallback names")
        return self

    def _owner(self, name: str, what: str) -> None:
        if name not in self.owners:
            known = ", ".join([*self.teams, *self.owners]) or "none"
            raise ValueError(f"{what} {name!r}, which is not under owners; there are: {known}")
