"""What makes a lead's record one that somebody has to put in order."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.contracts.envelope import Name
from shared.contracts.policy.qualification import RequiredField
from shared.contracts.policy.section import Section


class Hygiene(Section):
    """A lead is `stale` once nobody has done anything with it, nor it with us, for so many days; `incomplete` while one of the
    `required` fields is not known, or nothing by which it could be reached; `unreachable` after so many failed attempts in a row,
    after one that says that the address or number is wrong, or after an e-mail that came back."""

    stale_days: Annotated[int, Field(ge=1, le=3650)] = 60
    required: tuple[RequiredField, ...] = ()
    failed_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    failed_outcomes: tuple[Name, ...] = ("no answer", "not reached", "busy", "voicemail")
    wrong_outcomes: tuple[Name, ...] = ("wrong number", "invalid number", "bounced")
