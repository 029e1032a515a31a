"""Ways to say wrongly how sure and how grown a share is, and of which cases and days: each is put into the running service, and the
proof has to notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from services.metrics.domain import statistics
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import Ratio, Share
from services.metrics.domain.questions import Question
from services.metrics.storage import expecting
from tests.integration.metrics.wrong import Patch, Wrong

WRONG_COHORTS: list[Wrong] = []


def wrong(name: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Adds to the list."""

    def added(put_in: Callable[[Patch], None]) -> Callable[[Patch], None]:
        WRONG_COHORTS.append(Wrong(name, put_in))
        return put_in

    return added


@wrong("an interval holds nine times in ten")
def _(patch: Patch) -> None:
    patch.setattr(statistics, "Z_95", 1.6448536269514722)


@wrong("a cohort has grown a day early")
def _(patch: Patch) -> None:
    early = property(lambda question: question.as_of - timedelta(days=question.horizon_days - 1))
    patch.setattr(Question, "cutoff", early)


@wrong("a deal that was lost may still get further")
def _(patch: Patch) -> None:
    for kpi in ("stage_conversion", "stage_drop_off"):
        form = BY_ID[kpi].form
        assert isinstance(form, Share)
        undecided = Share(form.began, form.reached, (Measure.STAGE_ADVANCED,))
        patch.setitem(BY_ID, kpi, replace(BY_ID[kpi], form=undecided))


@wrong("who qualified and is put aside later is decided twice")
def _(patch: Patch) -> None:
    rate = BY_ID["qualification_rate_decided"]
    twice = Ratio(Measure.LEAD_QUALIFIED, (Measure.LEAD_QUALIFIED, Measure.LEAD_ARCHIVED), proportion=True)
    patch.setitem(BY_ID, rate.id, replace(rate, form=twice))


@wrong("what is to come in many years comes in the last one that is named")
def _(patch: Patch) -> None:
    async def nothing_further(_: Any, question: Question) -> Question:
        return question

    patch.setattr(expecting, "with_days_ahead", nothing_further)
