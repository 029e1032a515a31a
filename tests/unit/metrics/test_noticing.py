"""What makes findings the same one, how much they are to be minded, and where they stand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from services.metrics.domain.changing import Found
from services.metrics.domain.findings import Finding, Kind, Place
from services.metrics.domain.noticing import Severity, State, Word, place_id, severity, state

NOON = datetime(2026, 7, 20, 12, tzinfo=UTC)


def finding(
    kind: Kind,
    effect: float | None,
    *,
    before: float = 10.0,
    after: float = 12.0,
    on: date = date(2026, 7, 20),
    days: int = 7,
) -> Finding:
    window = (on - timedelta(days=days), on)
    return Finding(
        Place(kind, "kpi", "unit", {"stage": "a"}, window, window),
        Found(before, after, 50, 50, effect, 0.0, True),
        0.01,
    )


@pytest.mark.parametrize(
    ("kind", "effect", "before", "after", "said"),
    [
        (Kind.DWELL, 0.7, 10, 12, Severity.NOTICE),
        (Kind.DWELL, 0.5, 10, 20, Severity.SERIOUS),
        (Kind.DWELL, 2.0, 10, 5, Severity.GOOD),
        (Kind.DROP_OFF, 1.3, 0.3, 0.39, Severity.NOTICE),
        (Kind.DROP_OFF, None, 0.0, 0.2, Severity.SERIOUS),
        (Kind.DROP_OFF, 0.4, 0.5, 0.2, Severity.GOOD),
        (Kind.LEVEL, 0.75, 40, 30, Severity.NOTICE),
        (Kind.LEVEL, 0.0, 40, 0, Severity.SERIOUS),
        (Kind.LEVEL, 3.0, 10, 30, Severity.GOOD),
        (Kind.PACE, 0.8, 100, 80, Severity.NOTICE),
        (Kind.PACE, 0.4, 100, 40, Severity.SERIOUS),
        (Kind.PACE, 1.6, 100, 160, Severity.SERIOUS),
        (Kind.PACE, -0.5, 100, -50, Severity.SERIOUS),
        (Kind.PACE, None, -0.5, -0.6, Severity.NOTICE),
        (Kind.PACE, None, -0.15, -0.45, Severity.SERIOUS),
    ],
)
def test_how_much_a_finding_is_to_be_minded(
    kind: Kind, effect: float | None, before: float, after: float, said: Severity
) -> None:
    assert severity(finding(kind, effect, before=before, after=after)) is said


def test_the_same_change_is_the_same_the_next_day_and_a_target_is_of_its_days() -> None:
    tomorrow = date(2026, 7, 21)
    assert place_id(finding(Kind.LEVEL, 2)) == place_id(finding(Kind.LEVEL, 3, on=tomorrow))
    others = [
        finding(Kind.LEVEL, 2, days=1),
        finding(Kind.LEVEL, 0.5, before=12, after=6),
        finding(Kind.DROP_OFF, 2),
        finding(Kind.PACE, 2),
        finding(Kind.PACE, 2, on=tomorrow),
    ]
    assert len({place_id(one) for one in (finding(Kind.LEVEL, 2), *others)}) == 6


def test_targets_that_begin_on_the_same_day_are_not_the_same() -> None:
    new_year = date(2026, 1, 1)
    several = [finding(Kind.PACE, 0.5, on=new_year + timedelta(days=days), days=days) for days in (31, 90, 365)]
    assert {one.place.after[0] for one in several} == {new_year}
    assert len({place_id(one) for one in several}) == 3


@pytest.mark.parametrize(
    ("ended", "said", "until", "as_of", "stands"),
    [
        (None, None, None, NOON, State.OPEN),
        (None, State.DISMISSED, None, NOON, State.DISMISSED),
        (None, State.DISMISSED, NOON, NOON, State.OPEN),
        (None, State.ACKNOWLEDGED, NOON + timedelta(hours=1), NOON, State.ACKNOWLEDGED),
        (None, State.OPEN, None, NOON, State.OPEN),
        (NOON, State.ACKNOWLEDGED, None, NOON, State.ENDED),
        (NOON + timedelta(hours=1), State.ACKNOWLEDGED, None, NOON, State.ACKNOWLEDGED),
    ],
)
def test_where_a_finding_stands(
    ended: datetime | None, said: State | None, until: datetime | None, as_of: datetime, stands: State
) -> None:
    word = None if said is None else Word(said, "kim", "known", NOON - timedelta(hours=1), until)
    assert state(ended, word, as_of) is stands
