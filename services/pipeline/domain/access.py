"""Who may do what, and to whose leads: roles, each held in some business units or in all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from services.pipeline.domain.refusals import Refused
from shared.contracts.access import EVERYTHING as EVERYTHING
from shared.contracts.access import FOLLOWERS as FOLLOWERS
from shared.contracts.access import NOTHING as NOTHING
from shared.contracts.access import ROLES as ROLES
from shared.contracts.access import Grant as Grant
from shared.contracts.access import Role as Role
from shared.contracts.access import Units as Units
from shared.contracts.access import together as together
from shared.contracts.policy import UnitPolicy

MEANINGS: Mapping[Role, str] = {
    "agent": "sees the leads of its units and works its own, its teams' and those that nobody has",
    "manager": "sees and moves every lead of its units, and decides who has them",
    "operator": "may do everything in its units; with all of them also what concerns no unit: imports, dead letters, erasure, tokens",
    "integrator": "reads what its units have, and follows it",
}


@dataclass(frozen=True, slots=True)
class Reach:
    """What one request may touch: everything in `units`, and in `as_agent` what the agent `subject` works on."""

    units: Units = EVERYTHING
    as_agent: Units = NOTHING
    subject: str | None = None

    @property
    def all(self) -> Units:
        """Every unit in which anything may be seen."""
        return together((self.units, self.as_agent))

    def holds(self, business_unit: str) -> bool:
        """Whether leads of a unit may be seen at all."""
        units = self.all
        return units is None or business_unit in units

    def within(self, asked: str | None) -> Units:
        """The units to look in when one is asked for, or none. Raises `Refused` for one that is not held."""
        if asked is None:
            return self.all
        if not self.holds(asked):
            raise not_held(asked)
        return frozenset({asked})

    def one(self, asked: str | None) -> str:
        """The one unit that is meant: what is asked for, else the only one that is held, else `default`."""
        units = self.all
        unit = asked if asked is not None else next(iter(units)) if units is not None and len(units) == 1 else "default"
        if not self.holds(unit):
            raise not_held(unit)
        return unit

    def works_on(self, business_unit: str, policy: UnitPolicy, owner: str | None, team: str | None) -> bool:
        """Whether a lead that may be seen may also be worked on: an agent leaves colleagues' leads to them, unless they share a
        team."""
        if self.units is None or business_unit in self.units or owner is None or owner == self.subject:
            return True
        teams = policy.routing.teams
        mine = {name for name, one in teams.items() if self.subject in one.members}
        return team in mine or any(owner in teams[name].members for name in mine)


EVERYWHERE = Reach()
"""The reach of the service's own doing and of the deployment's token."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks. The deployment's own token has no `subject`. A system may name in whose place it acts, a person may not.
    `name` is what may be logged of it: never a person's name."""

    grants: tuple[Grant, ...]
    subject: str | None = None
    is_person: bool = False
    name: str = "deployment"

    def reach(self, roles: Collection[Role]) -> Reach | None:
        """Where this caller has one of these roles; None where it has it nowhere."""
        held = [grant for grant in self.grants if grant.role in roles]
        if not held:
            return None
        full = together(grant.units for grant in held if grant.role != "agent")
        return Reach(full, together(grant.units for grant in held if grant.role == "agent"), self.subject)

    def actor(self, named: str | None) -> str:
        """As whom this caller goes on record. Raises `Refused` where a person says to be somebody else."""
        if self.subject is None:
            return named or "api"
        if not self.is_person:
            return self.subject if named in (None, self.subject) else f"{named} via {self.subject}"
        if named not in (None, self.subject):
            raise Refused(
                "Leadflow-Actor names somebody else than the credentials do.",
                kind="forbidden",
                code="not-the-actor",
                field="Leadflow-Actor",
                fix="Leave the header out: what you do is recorded under the name that your credentials have.",
            )
        return self.subject


DEPLOYMENT = Caller((Grant("operator", EVERYTHING),))
"""Who comes with the deployment's API token."""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token that was given out, known by its digest alone."""

    digest: str
    prefix: str
    expires_at: datetime | None
    subject: str
    is_person: bool
    grant: Grant

    @property
    def caller(self) -> Caller:
        """Who shows it."""
        return Caller((self.grant,), self.subject, self.is_person, self.prefix)


def not_held(business_unit: str) -> Refused:
    """A unit was asked for that these credentials have nothing to do with."""
    return Refused(
        f"These credentials do not reach the business unit {business_unit}.",
        kind="forbidden",
        code="unit-not-held",
        field="business_unit",
        fix="Name a unit that they reach, or leave business_unit out to look in all of those.",
    )


def not_yours() -> Refused:
    """An agent wants to work on what a colleague of another team has."""
    return Refused(
        "This lead is worked by somebody else.",
        kind="forbidden",
        code="not-your-lead",
        fix="Ask them, or a manager to :assign it to you.",
    )
