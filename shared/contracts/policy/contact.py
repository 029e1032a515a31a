"""How often, when and with whose permission people are contacted."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from shared.contracts.envelope import Name
from shared.contracts.policy.section import Section
from shared.contracts.policy.working_time import span_of
from shared.contracts.spelling import one_label

ANY_CHANNEL = "any"


def _a_time(text: str) -> str:
    span_of(f"00:00-{text}") if text != "00:00" else None
    return text


Clock = Annotated[str, AfterValidator(_a_time)]


class Limit(Section):
    """At most so many attempts within any so many hours, on one channel or on all together, by whomever."""

    at_most: Annotated[int, Field(ge=1, le=1000)]
    within_hours: Annotated[int, Field(ge=1, le=24 * 365)]
    channel: Name | None = None


class QuietHours(Section):
    """When nobody is disturbed, by the clock where the lead is, over midnight too."""

    start: Clock = "21:00"
    end: Clock = "08:00"


class ContactRules(Section):
    """What is asked before a lead is contacted. `consent` names for a channel, or `any`, the purpose that has to be granted;
    `quiet_exempt` the channels that disturb nobody; `outcomes` how attempts and tasks go, beside what the rest of the policy names."""

    limits: tuple[Limit, ...] = ()
    quiet_hours: QuietHours | None = None
    quiet_exempt: tuple[Name, ...] = ("email",)
    consent: dict[Name, Name] = Field(default_factory=dict)
    outcomes: tuple[Name, ...] = (
        "reached",
        "call back",
        "meeting agreed",
        "interested",
        "not interested",
        "left a message",
    )

    def purpose(self, channel: str) -> str | None:
        """The purpose that a channel needs, however the channel is spelled."""
        named = {one_label(name): purpose for name, purpose in self.consent.items()}
        return named.get(one_label(channel), named.get(ANY_CHANNEL))

    def disturbs(self, channel: str) -> bool:
        """Whether an attempt on a channel, however it is spelled, has to wait until quiet hours are over."""
        return one_label(channel) not in {one_label(name) for name in self.quiet_exempt}

    @property
    def mail_purpose(self) -> str:
        """What whoever wants no more e-mail refuses."""
        return self.purpose("email") or "email"
