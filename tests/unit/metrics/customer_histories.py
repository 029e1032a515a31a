"""Random histories of people who buy: orders told twice, of nothing, in several currencies, before the lead was created, of leads that
turn out to be one person; refunded beyond their amount, before they were placed, and cancelled; customers who leave and come back."""

from __future__ import annotations

from random import Random
from typing import Any

from services.metrics.domain.facts import Fact
from tests.unit.metrics.histories import CHANNELS
from tests.unit.metrics.stories import Told, day, lead_id

CURRENCIES = ("EUR", "EUR", "USD", None)


def history(random: Random, leads: int, units: tuple[str, ...] = ("default", "tehran")) -> list[Fact]:
    """Facts of so many leads, most of whom buy something."""
    facts: list[Fact] = []
    for unit in units:
        told = Told(unit)
        names = [f"{unit}-{number}" for number in range(leads)]
        for name in names:
            told.tell(
                name, "LeadCreated", _when(random), channel=random.choice(CHANNELS), implied=random.random() < 0.3
            )
            for _ in range(random.choice((1, 2, 4, 9, 14))):
                event, data = _happening(random, name, names)
                told.tell(name, event, _when(random), **{key: one for key, one in data.items() if one is not None})
        facts += told.facts
    return facts


def _when(random: Random) -> float:
    return random.choice((1.0, 2.5, 5.0, 20.0, 34.0, 61.0)) if random.random() < 0.5 else random.random() * 90


def _happening(random: Random, name: str, names: list[str]) -> tuple[str, dict[str, Any]]:
    order, deal = f"{name}/o{random.choice('123')}", f"{name}/{random.choice('xy')}"
    amount = random.choice(("0", "10", "99.99", "250.5", "1200"))
    currency = random.choice(CURRENCIES)
    other = random.choice(names)
    made: list[tuple[str, dict[str, Any]]] = [
        ("OrderPlaced", {
            "order_id": random.choice((order, order, None)), "amount": amount, "currency": currency,
            "opportunity_id": random.choice((None, None, deal)), "cost": random.choice((None, "4", "300")),
            "renews": random.choice((None, f"{name}/o1")),
            "runs_until": random.choice((None, day(random.choice((30.0, 95.0))).isoformat())),
        }),
        ("OrderRefunded", {"order_id": order, "amount": random.choice(("3", "5000")), "currency": currency}),
        ("OrderCancelled", {"order_id": order}),
        ("OpportunityWon", {
            "opportunity_id": deal, "amount": random.choice((None, amount)), "currency": currency,
        }),
        ("StageChanged", {"opportunity_id": deal, "stage": "first"}),
        ("OpportunityLost", {"opportunity_id": deal, "reason": "price"}),
        ("CustomerChurned", {"reason": "price"}),
        ("SatisfactionAsked", {"scale": random.choice(("csat", "csat", "nps"))}),
        ("SatisfactionRecorded", {"scale": random.choice(("csat", "csat", "nps")), "value": float(random.randint(1, 5))}),
        ("LeadArchived", {"reason": "other"}),
        ("LeadAssigned", {"owner": random.choice(("kim", "ali"))}),
        ("LeadTouched", {"kind": "captured", "channel": random.choice(CHANNELS)}),
    ]  # fmt: skip
    if random.random() < 0.08 and other != name:
        return "LeadMerged", {"into_lead_id": str(lead_id(other)), "matched_on": "email"}
    if random.random() < 0.05:
        return "LeadUnmerged", {"from_lead_id": str(lead_id(other))}
    weights = [8, 2, 2, 2, 1, 1, 3, 2, 2, 1, 1, 1]
    return random.choices(made, weights)[0]
