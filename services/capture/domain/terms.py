"""The words of intake: what comes in, what comes out, what the rules are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, cast

from services.capture.domain.faults import Fault
from services.capture.domain.visits import Browser, unread_browser
from services.capture.domain.vocabulary import Alike

Kind = Literal["lead", "interaction"]
EventBody = dict[str, object]
"""An event's fields as they travel: tests prove that the topic parses each of them."""


@dataclass(frozen=True, slots=True)
class Readers:
    """How addresses are read: both answer None for what is no address. A number comes back in E.164 form, with whether
    that form says everything (an extension is lost in it). `alike` finds the word that was probably meant, `browser` reads
    what a browser says it is."""

    email: Callable[[str], str | None]
    phone: Callable[[str, str | None], tuple[str, bool] | None]
    alike: Alike
    browser: Callable[[str], Browser] = unread_browser


@dataclass(frozen=True, slots=True)
class Submission:
    """Who sends, what they may, when it arrived, and what the way it came says about it: the country in which numbers
    without a country code are dialled, whether it is for tests, whether a field was filled that no person sees, how long
    filling took. `flags` is what is noted of the payload before it is read."""

    sender: str
    may_backdate: bool
    received_at: datetime
    country: str | None = None
    flags: tuple[str, ...] = ()
    is_test: bool = False
    hidden_field_filled: bool = False
    filled_in_seconds: float | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the way it came gives no reason for a mark."""
        return not self.is_test and not self.hidden_field_filled and self.filled_in_seconds is None


_NO_EVENT: EventBody = {}


class Taken(NamedTuple):
    """A payload that is accepted once the log has `event`; `named` says that its sender gave it an id of its own. A tuple,
    since making a frozen dataclass costs thrice that."""

    event_id: str
    lead_id: str
    business_unit: str
    channel: str
    flags: tuple[str, ...]
    event: EventBody
    named: bool

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens of the identities it names."""
        identities = cast(list[dict[str, str]], self.event["identities"])
        return tuple(one["token"] for one in identities)

    def without_event(self) -> Taken:
        """The same for where its event is kept otherwise."""
        return Taken(self.event_id, self.lead_id, self.business_unit, self.channel, self.flags, _NO_EVENT, self.named)


@dataclass(frozen=True, slots=True)
class Refused:
    """A payload that can never be taken as it is. The rest is what could be understood of it: the tokens of identities that
    it names, and where it belongs, as far as the policy knows that."""

    faults: tuple[Fault, ...]
    status: Literal[403, 422] = 422
    identities: tuple[str, ...] = ()
    business_unit: str | None = None
    channel: str | None = None
