"""What a deal counts as: opened, open or ended, the stages it entered and how long it stayed in each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import partial

from services.metrics.domain.customer_entries import Born
from services.metrics.domain.entries import Entry, Measure, elapsed
from services.metrics.domain.opportunities import Held, Opportunity


def deal_entries(deal: Opportunity, born: Born, now: datetime) -> Iterator[Entry]:
    """What holds of a deal but for its stays in stages that ended."""

    def entry(
        measure: Measure,
        at: datetime,
        held: Held,
        *,
        number: int | str = "",
        cohort_at: datetime = deal.opened_at,
        stage: str | None = deal.stage,
        reason: str | None = None,
        since: datetime | None = None,
        money: tuple[Decimal | None, str | None] = (None, None),
    ) -> Entry:
        seconds, negative = elapsed(since, at) if since else (None, False)
        amount, currency = money
        return Entry(
            measure, f"{measure}:{number}:{deal.opportunity_id}", born.business_unit, at, cohort_at,
            born.dims(held), stage, reason, seconds, negative, amount,
            None if amount is None else currency or born.currency, born.root_id, now,
        )  # fmt: skip

    first = next(iter(deal.visits.values()), None)
    opened_in = first.stage if first and first.at == deal.opened_at else None
    yield entry(Measure.OPPORTUNITY_OPENED, deal.opened_at, deal.opened, stage=opened_in)
    if deal.status == "open":
        at = deal.stage_since or deal.opened_at
        still = entry(Measure.OPPORTUNITY_OPEN, at, deal.held, money=(deal.amount, deal.currency))
        yield still._replace(expected_close=deal.expected_close, pipeline=deal.pipeline)
    elif deal.closed_at:
        measure = Measure.OPPORTUNITY_WON if deal.status == "won" else Measure.OPPORTUNITY_LOST
        money = (deal.close_amount, deal.close_currency)
        yield entry(measure, deal.closed_at, deal.held, reason=deal.reason, since=deal.opened_at, money=money)
        cohort = Measure.COHORT_WON if deal.status == "won" else Measure.COHORT_LOST
        yield entry(cohort, deal.closed_at, deal.opened, stage=opened_in, since=deal.opened_at)
    for number, visit in enumerate(deal.visits.values()):
        visited = partial(entry, held=visit.held, number=number, cohort_at=visit.at, stage=visit.stage)
        yield visited(Measure.STAGE_ENTERED, visit.at)
        if visit.advanced_at:
            yield visited(Measure.STAGE_ADVANCED, visit.advanced_at, since=visit.at)
        if deal.status == "lost" and deal.closed_at:
            if not visit.advanced_at:
                yield visited(Measure.STAGE_FAILED, deal.closed_at, since=visit.at)
            if deal.stage == visit.stage:
                yield visited(Measure.STAGE_DROPPED, deal.closed_at, since=visit.at)


def spell_entry(deal: Opportunity, number: int, born: Born, now: datetime) -> Entry:
    """One stay in a stage, which nothing changes that comes later."""
    one = deal.spells[number]
    seconds, negative = elapsed(one.started_at, one.ended_at)
    return Entry(
        Measure.STAGE_SPELL, f"{Measure.STAGE_SPELL}:{number}:{deal.opportunity_id}", born.business_unit, one.ended_at,
        one.started_at, born.dims(one.held), one.stage, None, seconds, negative, None, None, born.root_id, now,
    )  # fmt: skip
