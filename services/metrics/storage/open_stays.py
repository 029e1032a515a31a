"""How old stays are that have not ended, where they are too many to look at each: from how many began on which day, as if at noon."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from services.metrics.domain.answers import TOTAL, Group
from services.metrics.domain.forms import Count, Stay
from services.metrics.domain.questions import Question
from services.metrics.domain.sketches import quantiles
from services.metrics.domain.stays import Spread
from services.metrics.storage.spreads import counts_of_days
from shared.contracts.policy.calendar import PERIODS
from shared.kit.database import Reader

NOON = time(12)


async def open_by_day(
    database: Reader, question: Question, form: Stay, zone: ZoneInfo
) -> dict[Group | None, Spread] | None:
    """Their ages at `as_of` in total and by group, each half a day off at most. None where the question is cut by periods, or where
    some are in no stage, which other cuts than stages do not tell apart."""
    if any(name in PERIODS for name in question.group_by):
        return None
    now = replace(question, definition=replace(question.definition, form=Count(form.open), basis="snapshot"))
    if question.dimension != "stage":
        by_stage = replace(now, group_by=("stage",), filters={})
        if (None,) in await counts_of_days(database, by_stage):
            return None
    found: dict[Group | None, Spread] = {}
    by_group = await counts_of_days(database, now)
    nowhere = Counter[date]()
    for group, days in by_group.items():
        if _is_nowhere(question, group):
            nowhere.update(days)
    for group, days in by_group.items():
        ages: dict[float, int] = defaultdict(int)
        for day, n in (Counter(days) - nowhere if group is TOTAL else days).items():
            age = question.as_of - datetime.combine(day, NOON, tzinfo=zone).astimezone(UTC)
            ages[max(age.total_seconds(), 0.0)] += n
        middle, many = quantiles(ages), sum(ages.values())
        if middle is not None and not _is_nowhere(question, group):
            found[group] = Spread(many, middle, sum(age * n for age, n in ages.items()) / many)
    return found


def _is_nowhere(question: Question, group: Group | None) -> bool:
    """Whether a group is that of no stage, which no stay is in."""
    return group is not TOTAL and "stage" in question.group_by and group[question.group_by.index("stage")] is None
