"""What an identity provider says of somebody, read as roles in units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from services.pipeline.domain.access import ROLES, Caller, Grant, Role, Units

MAX_SUBJECT = 200


class Meaning(NamedTuple):
    """What a role or group of the provider is here: a role, in units of its own or in those that the token claims."""

    role: Role
    units: Units = None
    as_claimed: bool = True


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """Which claims say who somebody is, what they are, and where. Without `meanings` the provider's roles are called as ours."""

    subject: str = "sub"
    roles: str = "roles"
    units: str = "business_units"
    meanings: Mapping[str, Meaning] | None = None

    def caller(self, claims: Mapping[str, Any]) -> Caller | None:
        """Whoever the claims are about; None where they name nobody. Somebody without any role reaches nothing."""
        subject = _at(claims, self.subject)
        if not isinstance(subject, str) or not 0 < len(subject.strip()) <= MAX_SUBJECT:
            return None
        claimed = frozenset(_names(_at(claims, self.units)))
        units: Units = None if "*" in claimed else claimed
        return Caller(tuple(self._grants(claims, units)), subject.strip(), is_person=True, name="oidc")

    def _grants(self, claims: Mapping[str, Any], claimed: Units) -> Iterator[Grant]:
        known = self.meanings if self.meanings is not None else {str(role): Meaning(role) for role in ROLES}
        for word in _words(_at(claims, self.roles)):
            if (meaning := known.get(word)) is not None:
                units = claimed if meaning.as_claimed else meaning.units
                if units is None or units:
                    yield Grant(meaning.role, units)


def read_meanings(text: str) -> dict[str, Meaning] | None:
    """`sales=agent chefs=manager@europe+tehran ops=operator@*`. Raises `ValueError` saying what is wrong."""
    meanings: dict[str, Meaning] = {}
    for entry in text.split():
        word, parted, said = entry.rpartition("=")
        role, at, units = said.partition("@")
        if not parted or not word or role not in ROLES or (at and not all(units.split("+"))):
            raise ValueError(f"{entry!r} is not GROUP=ROLE or GROUP=ROLE@UNIT+UNIT; roles are {', '.join(ROLES)}")
        everywhere = units == "*"
        meanings[word] = Meaning(role, None if everywhere or not at else frozenset(units.split("+")), not at)
    return meanings or None


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, else by the steps of its path."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _words(value: Any) -> list[str]:
    """A list of texts, or one text parted by spaces."""
    if isinstance(value, str):
        return value.split()
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _names(value: Any) -> list[str]:
    """A list of names, or one: a name may have spaces in it."""
    return [value.strip()] if isinstance(value, str) and value.strip() else _words(value)
