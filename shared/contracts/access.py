"""Who somebody is to the services: roles, each held in some business units or in all. Pipeline knows whose token is whose, and tells
the others by `GET /v1/me`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict

Role = Literal["agent", "manager", "operator", "integrator"]
ROLES: tuple[Role, ...] = get_args(Role)

FOLLOWERS: tuple[Role, ...] = ("integrator", "manager", "operator")
"""Who may take along what happens: exports, webhooks, reports that are sent."""

Units = frozenset[str] | None
"""Business units by name; None is all of them."""

EVERYTHING: Units = None
NOTHING: Units = frozenset()


class Grant(NamedTuple):
    """A role, and where it is held."""

    role: Role
    units: Units


def together(units: Iterable[Units]) -> Units:
    """All that any of these has."""
    found: frozenset[str] = frozenset()
    for one in units:
        if one is None:
            return None
        found |= one
    return found


class GrantTold(BaseModel):
    """A role as it is told; without units it is held in all of them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    role: Role
    business_units: tuple[str, ...] | None = None

    @property
    def grant(self) -> Grant:
        """The same, to decide by."""
        return Grant(self.role, None if self.business_units is None else frozenset(self.business_units))


class Me(BaseModel):
    """Whoever shows a token. The deployment's own has no subject."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    subject: str | None = None
    is_person: bool = False
    grants: tuple[GrantTold, ...] = ()
