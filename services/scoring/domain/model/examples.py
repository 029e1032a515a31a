"""What is learned from: a person at moments at which it would have been assessed, with only what was known then, and
whether the outcome followed. And the guard that tries to prove it otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5

from services.scoring.domain.model.artefact import CUSTOMER, OPPORTUNITY
from services.scoring.domain.model.features import FeatureReader
from services.scoring.domain.model.history import History
from services.scoring.domain.model.values import Cell
from services.scoring.domain.outcomes import Outcome, OutcomeKind
from services.scoring.domain.touches import Touch

Features = Mapping[str, Cell]
Read = Callable[[History, datetime], Features]

MOMENTS_DAYS = (0, 2, 7, 21)
"""A person is looked at when it is first known, and so many days later: scores move with what leads do and with time."""

REACHED: Mapping[str, OutcomeKind] = {OPPORTUNITY: "opened", CUSTOMER: "won"}
"""What says that an outcome followed."""

_EVERY_FEATURE = FeatureReader()


class Example(NamedTuple):
    """A person at a moment, and whether the outcome followed within the horizon."""

    root_id: UUID
    moment: datetime
    features: Features
    followed: bool


class Leak(Exception):
    """A feature knows what came after its moment. Nothing is learned from such. The message names it."""


def features_at(history: History, moment: datetime) -> Features:
    """What was known of a person at a moment."""
    return _EVERY_FEATURE.read(history.business_unit, history.known_by(moment), moment)


def examples(
    history: History, outcome: str, horizon: timedelta, until: datetime, read: Read = features_at
) -> Iterator[Example]:
    """A person at each moment of which it is known by now how it ended: the horizon has passed. A moment at which the
    outcome was there already, or at which nobody worked on the person, says nothing."""
    begun = min((one.known_at for one in history.touches if one.kind is None and one.known_at), default=None)
    if begun is None or not history.teaches:
        return
    outcomes = [one for one in history.outcomes if one.known_at <= until]
    reached = min((one.occurred_at for one in outcomes if one.kind == REACHED[outcome]), default=None)
    for days in MOMENTS_DAYS:
        moment = begun + timedelta(days=days)
        if moment + horizon > until or (reached is not None and reached <= moment):
            return
        if not _put_aside(outcomes, moment) and history.known_by(moment):
            followed = reached is not None and reached <= moment + horizon
            yield Example(history.root_id, moment, read(history, moment), followed)


def refuse_leak(history: History, moment: datetime, read: Read = features_at) -> None:
    """Raises `Leak` where features at a moment change with what came, or might have come, after it."""
    honest = read(history, moment)
    past = history._replace(
        touches=tuple(history.known_by(moment)),
        outcomes=tuple(one for one in history.outcomes if one.known_at <= moment),
    )
    for other in (past, _with_another_future(past, moment)):
        found = read(other, moment)
        for name in sorted({*honest, *found}):
            if honest.get(name) != found.get(name):
                raise Leak(f"{name!r} at a moment changes with what was known only after it")


def _put_aside(outcomes: Sequence[Outcome], moment: datetime) -> bool:
    """Whether the last word by then was that nobody works on the person."""
    words = [one for one in outcomes if one.kind in ("archived", "reopened") and one.known_at <= moment]
    return bool(words) and max(words, key=lambda one: (one.occurred_at, one.event_id)).kind == "archived"


def _with_another_future(past: History, moment: datetime) -> History:
    """The same person, of whom later everything is learned again and otherwise, some of it as of before."""
    later = moment + timedelta(seconds=1)
    invented: list[Touch] = []
    for number, one in enumerate(past.touches):
        event_id = uuid5(one.event_id, "invented")
        filled_in = dict.fromkeys((*(one.attributes or {}), "invented"), f"invented {number}")
        changed = one._replace(
            event_id=event_id, known_at=later, channel="invented", source="invented", medium="invented",
            campaign="invented", job_title="invented", country="XX", language="xx", product="invented", email=True,
            phone=True, company=True, attributes=filled_in, consents={"invented": True}, duration_seconds=9_999.0,
        )  # fmt: skip
        invented += [changed, changed._replace(event_id=uuid5(event_id, "later"), occurred_at=later)]
        if one.kind is not None:
            invented.append(changed._replace(event_id=uuid5(event_id, "back"), retracts=one.event_id))
    came = [
        Outcome(past.root_id, uuid5(past.root_id, kind), kind, later, later, "invented")
        for kind in ("contacted", "qualified", "opened", "won")
    ]
    return past._replace(touches=(*past.touches, *invented), outcomes=(*past.outcomes, *came))
