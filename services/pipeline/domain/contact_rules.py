"""Whether a lead may be contacted now, and if not, why and when: consent first, then limits, then quiet hours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.pipeline.domain.facts import Fact
from services.pipeline.domain.message_ids import decided_id, message_id_of
from services.pipeline.domain.refusals import Refused
from shared.contracts.policy.contact import ContactRules, QuietHours
from shared.contracts.spelling import one_label

Reason = Literal["consent", "limit", "quiet_hours"]

WITHDRAWN: Literal["withdrawn"] = "withdrawn"
"""The outcome of a message that was decided on and not sent after all."""

LOOKS = 1_000


class Attempt(NamedTuple):
    """An outbound attempt to reach a lead, by whomever."""

    at: datetime
    channel: str


class Verdict(NamedTuple):
    """No. `allowed_at` is when it may be; None where time alone does not change it."""

    reason: Reason
    words: str
    allowed_at: datetime | None


def _fix(no: Verdict) -> str:
    if no.allowed_at is not None:
        return f"Contact them from {no.allowed_at.isoformat()} on, or say `made: true` of what was made already."
    if no.reason == "consent":
        return "Ask for their consent and record it: POST /v1/leads/{lead_id}:record-consent."
    return "The policy's rules leave no time for this channel; look at `contact` in policy.yaml."


class NotAllowed(Refused):
    """A contact that is refused."""

    def __init__(self, verdict: Verdict) -> None:
        when = verdict.allowed_at
        super().__init__(
            verdict.words,
            kind="conflict",
            code=f"contact-{verdict.reason.replace('_', '-')}",
            fix=_fix(verdict),
            extra={"reason": verdict.reason, "allowed_at": when},
        )
        self.reason = verdict.reason


def attempts_of(facts: Iterable[Fact]) -> list[Attempt]:
    """Every outbound attempt in a story, by people and machines alike. A message that was handed over and failed is one; one that
    was withdrawn before is none, and one that waited counts when its step was done by it."""
    facts = list(facts)
    sent = {
        decided_id(message_id_of(UUID(str(fact.data["task_id"])))): fact
        for fact in facts
        if fact.event == "FollowUpDone" and fact.data.get("outcome") == "sent"
    }
    made = [fact for fact in facts if fact.event == "ContactAttempted" and fact.data.get("outbound", True)]
    withdrawn = {fact.data.get("message_id") for fact in made if fact.data.get("outcome") == WITHDRAWN} - {None}
    told_again = {fact.event_id for fact in made if "message_id" in fact.data and "outcome" in fact.data}
    return [
        Attempt(sent.get(fact.event_id, fact).occurred_at, fact.data["kind"])
        for fact in made
        if fact.event_id not in told_again and fact.data.get("message_id") not in withdrawn
    ]


def verdict(
    rules: ContactRules,
    *,
    channel: str,
    at: datetime,
    attempts: Collection[Attempt],
    granted: Mapping[str, bool],
    zones: Collection[ZoneInfo],
) -> Verdict | None:
    """Why a contact at a moment is not allowed; None where it is. Channels and purposes are the same however they are spelled;
    `granted` has each purpose once."""
    granted = {one_label(purpose): holds for purpose, holds in granted.items()}
    purpose = rules.purpose(channel)
    if purpose is not None and not granted.get(one_label(purpose), False):
        said = "was refused" if one_label(purpose) in granted else "was never given"
        return Verdict("consent", f"Consent to {purpose}, which {channel} needs, {said}.", None)
    if granted.get(one_label(channel)) is False:
        return Verdict("consent", f"They said that they want no {channel}.", None)
    blocked = _no(rules, channel, at, attempts, zones)
    if blocked is None:
        return None
    reason, words = blocked
    when = at
    for _ in range(LOOKS):
        following = _free_at(rules, channel, when, attempts, zones)
        if following is None:
            break
        when = following
        if _no(rules, channel, when, attempts, zones) is None:
            return Verdict(reason, words, when)
    return Verdict(reason, words, None)


def _no(
    rules: ContactRules, channel: str, at: datetime, attempts: Collection[Attempt], zones: Collection[ZoneInfo]
) -> tuple[Reason, str] | None:
    for limit in rules.limits:
        on_one = None if limit.channel is None else one_label(limit.channel)
        if on_one not in (None, one_label(channel)):
            continue
        told = [one.at for one in attempts if on_one in (None, one_label(one.channel))]
        made = _most(told, at, timedelta(hours=limit.within_hours))
        if made >= limit.at_most:
            on = limit.channel or "all channels"
            return "limit", f"{made} attempts on {on} within {limit.within_hours} hours; {limit.at_most} are allowed."
    quiet = rules.quiet_hours
    if quiet is not None and rules.disturbs(channel) and any(_is_quiet(quiet, at, zone) for zone in zones):
        return "quiet_hours", f"It is between {quiet.start} and {quiet.end} where the lead is or may be."
    return None


def _most(attempts: Collection[datetime], at: datetime, window: timedelta) -> int:
    """How many were made within the fullest window that has the moment in it: what is told late has others after it too."""
    ends = [at, *(one for one in attempts if at < one < at + window)]
    return max(sum(end - window < one <= end for one in attempts) for end in ends)


def _free_at(
    rules: ContactRules, channel: str, at: datetime, attempts: Collection[Attempt], zones: Collection[ZoneInfo]
) -> datetime | None:
    """A later moment at which something that stands in the way now does not any more."""
    moments: list[datetime] = []
    for limit in rules.limits:
        window = timedelta(hours=limit.within_hours)
        moments += [one.at + window for one in attempts if one.at + window > at]
    if rules.quiet_hours is not None and rules.disturbs(channel):
        moments += [_ends(rules.quiet_hours, at, zone) for zone in zones]
    return min((one for one in moments if one > at), default=None)


def _is_quiet(quiet: QuietHours, at: datetime, zone: ZoneInfo) -> bool:
    now = at.astimezone(zone)
    minute, start, end = now.hour * 60 + now.minute, _minutes(quiet.start), _minutes(quiet.end)
    return start <= minute < end if start <= end else minute >= start or minute < end


def _ends(quiet: QuietHours, at: datetime, zone: ZoneInfo) -> datetime:
    """When quiet hours end next."""
    here, end = at.astimezone(zone), _minutes(quiet.end)
    for days in range(3):
        day = here.date() + timedelta(days=days)
        ending = datetime(day.year, day.month, day.day, end // 60 % 24, end % 60, tzinfo=zone).astimezone(UTC)
        if ending > at:
            return ending
    raise AssertionError("a day without an end")


def _minutes(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)
