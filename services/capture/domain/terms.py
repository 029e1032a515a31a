"""The words of intake: what comes in, what comes out, what the rules are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Literal, NamedTuple

from services.capture.domain.faults import Fault
from shared.contracts.policy import UnitPolicy

Kind = Literal["lead", "interaction"]
EventBody = dict[str, object]
"""An event's fields as they travel: tests prove that the topic parses each of them."""


@dataclass(frozen=True, slots=True)
class Readers:
    """How addresses are read: both answer None for what is no address. A number comes back in E.164 form, with whether
    that form says everything (an extension is lost in it)."""

    email: Callable[[str], str | None]
    phone: Callable[[str, str | None], tuple[str, bool] | None]


@dataclass(frozen=True, slots=True)
class Submission:
    """Who sends, what they may, and when it arrived. `country` is where the sender's numbers without a country code are
    dialled, where it is known; `flags` is what is noted of the payload before it is read."""

    sender: str
    may_backdate: bool
    received_at: datetime
    country: str | None = None
    flags: tuple[str, ...] = ()


class Taken(NamedTuple):
    """A payload that is accepted once the log has `event`. A tuple, since making a frozen dataclass costs thrice that."""

    event_id: str
    lead_id: str
    business_unit: str
    channel: str
    flags: tuple[str, ...]
    event: EventBody


@dataclass(frozen=True, slots=True)
class Refused:
    """A payload that can never be taken as it is."""

    faults: tuple[Fault, ...]
    status: Literal[403, 422] = 422


@dataclass(frozen=True, slots=True)
class Unit:
    """What intake needs to know of a business unit. Channels are found by their name in lower case."""

    zone: tzinfo
    country: str | None
    channels: Mapping[str, str]

    @classmethod
    def of(cls, policy: UnitPolicy) -> Unit:
        """The part of a unit's policy that intake needs."""
        return cls(policy.zone, policy.country, {name.casefold(): name for name in policy.channels})
