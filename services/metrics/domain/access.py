"""Who may ask what of metrics, of which business units."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum

from shared.contracts.access import EVERYTHING, FOLLOWERS, ROLES, Grant, Me, Role, Units, together

READ: tuple[Role, ...] = ROLES
"""Looking at numbers."""
MANAGE: tuple[Role, ...] = ("manager", "operator")
"""Saying what is wanted, what was spent, and what is to be thought of a finding."""
FOLLOW = FOLLOWERS
"""Having reports sent."""
OPERATE: tuple[Role, ...] = ("operator",)
"""All else, and only for whoever has it in every unit."""


class Named(Enum):
    """How a request says of which units it is."""

    NOWHERE = "it is of none"
    MANY = "business_unit, which may be repeated"
    ONE = "business_unit, once"
    INSIDE = "in what it says or is about: the route looks itself"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may use a route, and how it says of which units it is. `by` says that it has `by` for who asks."""

    roles: tuple[Role, ...] = OPERATE
    named: Named | None = None
    by: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks. The deployment's own token has no subject, and names whom it likes."""

    grants: tuple[Grant, ...]
    subject: str | None = None
    is_person: bool = False

    def units(self, roles: Collection[Role]) -> Units:
        """Where it has one of these roles; nowhere is no unit."""
        return together(grant.units for grant in self.grants if grant.role in roles)

    def actor(self, named: str) -> str | None:
        """As whom it goes on record where it names somebody, or nobody. None where a person says to be somebody else."""
        if self.subject is None:
            return named
        if named in ("", self.subject):
            return self.subject
        return None if self.is_person else f"{named} via {self.subject}"


DEPLOYMENT = Caller((Grant("operator", EVERYTHING),))
"""Who comes with the deployment's token."""


def caller_of(me: Me) -> Caller:
    """Who pipeline says it is. Without a subject it is none of those that it gave a token to."""
    if me.subject is None:
        return Caller(())
    return Caller(tuple(told.grant for told in me.grants), me.subject, me.is_person)


def holds(units: Units, asked: Iterable[str | None]) -> bool:
    """Whether all that is asked about is held; what is of no unit is of all."""
    return units is None or all(one is not None and one in units for one in asked)
