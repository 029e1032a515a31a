"""What pipeline would tell of the leads of the mix, and of people who visited: of everything that any KPI counts something."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from shared.contracts.envelope import LifecycleEvent
from shared.contracts.lifecycle_events import (
    ContactAttempted,
    CustomerChurned,
    FollowUpDone,
    FollowUpMissed,
    FollowUpScheduled,
    LeadArchived,
    LeadAssigned,
    LeadCreated,
    LeadGraded,
    LeadMarked,
    LeadQualified,
    LeadReopened,
    LeadTouched,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWon,
    OrderPlaced,
    OrderRefunded,
    SatisfactionAsked,
    SatisfactionRecorded,
    StageChanged,
)
from shared.contracts.visit_events import VisitorSeen
from tests.load import mix
from tests.load.crowd import STAGES

DAYS = 365
OWNERS, TEAMS, PRODUCTS = 40, 6, 12
VISITORS, VISITS = 2_500, 4
LATE_BY = timedelta(minutes=9)


def began(number: int, until: datetime) -> datetime:
    """When a lead comes: in working hours of some day of the year that ends at a midnight, so that what follows by whole days, and
    a copy some hours later, is still of the same day."""
    days_ago = 1 + (number * 7919) % DAYS
    return until - timedelta(days=days_ago) + timedelta(hours=8, seconds=(number * 104_729) % (8 * 3600))


def story(number: int, until: datetime) -> Iterator[LifecycleEvent]:
    """All that pipeline would tell about one lead by a moment. What is to come later is not known yet."""
    begins = began(number, until)
    lead_id = uuid5(NAMESPACE_URL, f"lead {number}")
    happened = sorted(_happened(number, begins), key=lambda one: one[1])
    for version, (what, at, facts) in enumerate(happened, 1):
        if at >= until:
            return
        event_id = uuid5(lead_id, f"{version}")
        late = LATE_BY if what is LeadCreated and number % 25 == 0 else timedelta(0)
        yield what(
            event=what.__name__, event_id=event_id, lead_id=lead_id, business_unit=mix.UNIT, occurred_at=at,
            recorded_at=at + late, correlation_id=event_id, causation_id=uuid5(event_id, "cause"), version=version, **facts,
        )  # fmt: skip


Happened = Iterator[tuple[type[LifecycleEvent], datetime, dict[str, Any]]]


def _happened(number: int, begins: datetime) -> Happened:
    sent = mix.lead(number)
    qualified = number % mix.QUALIFIED_EVERY == 0
    came_from = {name: sent[name] for name in ("channel", "source", "campaign")}
    contacts = [name for name in ("email", "phone") if name in sent and number % 33]
    product = f"product {number % PRODUCTS}"
    yield LeadCreated, begins, {"sender": "load", **came_from, "product": product, "contacts": contacts}
    score = 42 if qualified else 22
    told = {"score": score + number % 7, "grade": "B" if qualified else "C", "probability": (number % 97 + 1) / 100}
    yield LeadGraded, begins, told
    for place in range(mix.INTERACTIONS):
        yield (
            LeadTouched,
            begins + timedelta(minutes=5 * (place + 1)),
            {"kind": "page_view", "channel": sent["channel"]},
        )
    if number % 250 == 7:
        yield LeadMarked, begins + timedelta(minutes=1), {"mark": "test"}
    if number % 10 == 3:
        yield (
            LeadArchived,
            begins + timedelta(days=3 + number % 40),
            {"reason": ("no budget", "no need")[number % 4 // 2]},
        )
        if number % 200 == 3:
            yield LeadReopened, begins + timedelta(days=60 + number % 20), {}
    if number % 40 == 5:
        again = {"kind": "captured", "channel": "event", "source": "fair", "contacts": contacts}
        yield LeadTouched, begins + timedelta(days=9), again
    if qualified:
        yield LeadQualified, begins, {"automatic": True}
        yield from _worked(number, begins)
    if number % 50 == 0 or number % 100 == 20:
        yield from _deal(number, begins)


def _worked(number: int, begins: datetime) -> Happened:
    owner = number // 10 % OWNERS
    task = {"kind": "first_response", "task_id": uuid5(NAMESPACE_URL, f"task {number}")}
    due = begins + timedelta(hours=1)
    yield LeadAssigned, begins, {"owner": f"owner {owner}", "team": f"team {owner % TEAMS}", "automatic": True}
    yield FollowUpScheduled, begins, {**task, "due_at": due}
    answered = begins + timedelta(minutes=10 + number % 90)
    yield ContactAttempted, answered, {"kind": "call", "owner": f"owner {owner}", "duration_seconds": 60 + number % 600}
    if answered > due:
        yield FollowUpMissed, due, {**task, "due_at": due}
    else:
        yield FollowUpDone, answered, task


def _deal(number: int, begins: datetime) -> Happened:
    opened = begins + timedelta(days=2 + number % 9)
    currency = "USD" if number % 500 == 0 else "EUR"
    deal = {"opportunity_id": f"deal {number}"}
    worth = {"amount": f"{1000 + number % 7 * 250}.00", "currency": currency}
    ahead = {"expected_close": opened + timedelta(days=20 + number % 120)}
    yield (
        OpportunityOpened,
        opened,
        {**deal, **worth, **ahead, "stage": STAGES[0], "position": 0, "pipeline": "default"},
    )
    for place in range(1, 2 + number // 10 % 3):
        yield StageChanged, opened + timedelta(days=3 * place), {**deal, "stage": STAGES[place], "position": place}
    closed = opened + timedelta(days=10 + number % 30)
    if number % 100 == 50:
        yield OpportunityLost, closed, {**deal, "reason": ("price", "timing")[number // 100 % 2]}
    elif mix.is_won(number):
        yield OpportunityWon, closed, {**deal, **worth}
        yield from _customer(number, closed, currency)


def _customer(number: int, won: datetime, currency: str) -> Happened:
    place = number // mix.WON_EVERY
    first = {"order_id": f"order {number}", "opportunity_id": f"deal {number}", "amount": "1200.00", "cost": "700.00"}
    until = won + timedelta(days=90)
    yield OrderPlaced, won + timedelta(days=1), {**first, "currency": currency, "runs_until": until}
    if place % 3 == 0:
        yield SatisfactionAsked, won + timedelta(days=7), {}
        yield SatisfactionRecorded, won + timedelta(days=8), {"value": 2 + place % 4}
    if place % 2 == 0:
        more = {"order_id": f"order {number} b", "amount": "900.00", "cost": "500.00", "renews": f"order {number}"}
        yield OrderPlaced, until - timedelta(days=2), {**more, "currency": currency}
    if place % 5 == 0:
        yield (
            OrderRefunded,
            won + timedelta(days=12),
            {"order_id": f"order {number}", "amount": "100.00", "currency": currency},
        )
    if place % 10 == 1:
        yield CustomerChurned, won + timedelta(days=100), {"reason": "price"}


def visits(until: datetime) -> Iterator[VisitorSeen]:
    """Who visited, of them some on several days and by several ways."""
    for number in range(VISITORS):
        visitor, sent = uuid5(NAMESPACE_URL, f"visitor {number}"), mix.lead(number)
        for place in range(1 + number % VISITS):
            at = began(number * 31 + place * 17, until)
            event_id = uuid5(visitor, f"{place}")
            yield VisitorSeen(
                event_id=event_id, lead_id=visitor, business_unit=mix.UNIT, occurred_at=at, recorded_at=at,
                correlation_id=event_id, day=at.astimezone(UTC).date(), channel=sent["channel"],
                source=sent["source"] if place % 2 else None, campaign=sent["campaign"],
            )  # fmt: skip
