"""What is done with a lead once somebody should: how soon it is answered, in which steps it is gone after, who is told otherwise."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from shared.contracts.envelope import Name
from shared.contracts.policy.section import Section, refuse_twice

_DURATION = re.compile(r"^(?:(\d{1,4})h)?(?:(\d{1,5})m)?$")


def duration_of(text: str) -> timedelta:
    """`30m`, `4h`, `1h30m`. Raises `ValueError`."""
    found = _DURATION.match(text.strip())
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is no duration; write hours and minutes of working time, such as 4h or 1h30m")
    hours, minutes = (int(part or 0) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes)


def _a_duration(text: str) -> str:
    duration_of(text)
    return text


def _some_time(text: str) -> str:
    if not duration_of(text):
        raise ValueError("nothing can be done within no time; write 1m at least")
    return text


Wait = Annotated[str, AfterValidator(_a_duration)]
Within = Annotated[str, AfterValidator(_some_time)]


class Step(Section):
    """Something to do on a channel: `wait` after the step before, then to be done `within` so much. Both in working time. With
    `send` it is written and sent by itself when it begins, by that template; where it may not or cannot be, `unsent` says who sees
    to it: a `person`, or nobody (`skip`)."""

    step: Name
    channel: Name | None = None
    wait: Wait = "0m"
    within: Within = "8h"
    send: Name | None = None
    unsent: Literal["person", "skip"] = "person"

    @model_validator(mode="after")
    def _is_sent_by_mail(self) -> Step:
        if self.send is not None and self.channel != "email":
            raise ValueError(f"step {self.step!r} sends, and what is sent goes by e-mail: write channel: email")
        return self


class Escalation(Section):
    """Who is told that something was not done in time, and within what they have to see to it."""

    to: Name
    within: Within = "4h"


class Cadence(Section):
    """What is due for leads of these grades, of any where none is named, from when they qualify. An attempt on a step's channel
    does the step, and an outcome of `stops_on` ends the whole."""

    cadence: Name
    grades: tuple[Name, ...] = ()
    respond_within: Within | None = None
    steps: tuple[Step, ...] = ()
    stops_on: tuple[Name, ...] = ("reached",)
    escalate: Escalation | None = None

    @model_validator(mode="after")
    def _steps_differ(self) -> Cadence:
        refuse_twice("step", (one.step for one in self.steps))
        return self


class Requests(Section):
    """Kinds of interactions by which a lead asks for something: it is worked from then on, and whoever has it is to answer `within` so
    much working time."""

    kinds: tuple[Name, ...] = ("specification_request", "quote_request", "payment_terms_request")
    within: Within = "4h"


class FollowUp(Section):
    """The first cadence of a lead's grade is its own. `requests` are answered in any case."""

    cadences: tuple[Cadence, ...] = Field(default=())
    requests: Requests = Requests()

    @model_validator(mode="after")
    def _cadences_differ(self) -> FollowUp:
        refuse_twice("cadence", (one.cadence for one in self.cadences))
        return self

    def of_grade(self, grade: str | None) -> Cadence | None:
        """The cadence of a grade."""
        return next((one for one in self.cadences if not one.grades or grade in one.grades), None)

    def named(self, cadence: str | None) -> Cadence | None:
        """The cadence of a name."""
        return next((one for one in self.cadences if one.cadence == cadence), None)
