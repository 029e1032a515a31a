"""Random histories: ties, disorder, merges and unmerges, reopenings, several deals a lead, marks, two units."""

from __future__ import annotations

from random import Random
from typing import Any

from services.metrics.domain.facts import Fact
from tests.unit.metrics.stories import Told, day, lead_id

STAGES: tuple[tuple[str, int | None], ...] = (("first", 0), ("second", 1), ("third", 2), ("odd", None))
CHANNELS = ("web_form", "phone", None)
OWNERS = ("kim", "ali")


def history(random: Random, leads: int, units: tuple[str, ...] = ("default", "tehran")) -> list[Fact]:
    """Facts of so many leads, in the order of their versions; what happened when follows no order at all."""
    facts: list[Fact] = []
    for unit in units:
        told = Told(unit)
        names = [f"{unit}-{number}" for number in range(leads)]
        for name in names:
            told.tell(name, "LeadCreated", _when(random), **_creation(random))
            for _ in range(random.choice((0, 1, 3, 8))):
                event, data = _happening(random, name, names)
                told.tell(name, event, _when(random), **data)
                if event == "LeadTouched" and random.random() < 0.3:
                    told.take_back(random.choice((name, name, random.choice(names))), _when(random))
                if event == "LeadMerged" and random.random() < 0.6:
                    of = random.choice((name, name, random.choice(names)))
                    task = str(lead_id(random.choice("xy") + of))
                    told.answered_by_merge(of, _when(random), task_id=task, reason="merged")
        facts += told.facts
    return facts


def _when(random: Random) -> float:
    """Often the same moment, so that ties are common."""
    return random.choice((1.0, 2.0, 2.9, 3.5, 5.0, 8.25, 20.0, 34.0)) if random.random() < 0.7 else random.random() * 60


def _creation(random: Random) -> dict[str, Any]:
    data: dict[str, Any] = {"implied": random.random() < 0.3, "channel": random.choice(CHANNELS)}
    return {**data, **_mark(random, 0.15)}


def _mark(random: Random, often: float) -> dict[str, Any]:
    return {"mark": random.choice(("test", "spam"))} if random.random() < often else {}


def _happening(random: Random, name: str, names: list[str]) -> tuple[str, dict[str, Any]]:
    deal = {"opportunity_id": f"{name}/{random.choice('xy')}"}
    stage, position = random.choice(STAGES)
    money = {"amount": f"{random.randrange(1, 900)}.50", "currency": random.choice(("EUR", "EUR", "USD"))}
    mine = {"owner": random.choice(OWNERS)} if random.random() < 0.3 else {}
    other = str(lead_id(random.choice(names)))
    task = {"kind": "first_response", "task_id": str(lead_id(random.choice("xy") + name))}
    due = day(random.choice((2.0, 5.0, 40.0))).isoformat()
    made: dict[str, dict[str, Any]] = {
        "LeadTouched": {
            "kind": random.choice(("captured", "page_view")),
            "channel": random.choice(CHANNELS),
            **_mark(random, 0.3),
        },
        "LeadGraded": {"score": 50 + len(name) + len(mine), "grade": random.choice("AB")},
        "LeadAssigned": {"owner": random.choice(OWNERS)},
        "LeadQualified": {"policy_version": random.choice((None, "1", "2"))},
        "LeadArchived": {"reason": random.choice(("no budget", "other"))},
        "LeadReopened": {},
        "ContactAttempted": {
            "kind": random.choice(("call", "email")),
            "human": random.random() < 0.7,
            "outbound": random.random() < 0.8,
            **({"duration_seconds": random.choice((0.0, 12.5, 90.0, 1800.0))} if random.random() < 0.5 else {}),
            **mine,
        },
        "ContactAttempted by machine": {
            "kind": "email",
            "human": False,
            "message_id": str(lead_id(random.choice("mn") + name)),
            "outcome": random.choice((None, None, "bounced", "withdrawn")),
        },
        "NoteAdded": {"actor": random.choice((None, *OWNERS))},
        "FollowUpScheduled": {**task, "due_at": due, **mine},
        "FollowUpMissed": {**task, "due_at": due, **mine},
        "FollowUpDone": {**task, **mine},
        "OpportunityOpened": {**deal, "stage": stage, "position": position, **mine},
        "StageChanged": {**deal, "stage": stage, "position": position, **mine},
        "AmountChanged": {**deal, **money},
        "OpportunityAssigned": {**deal, "owner": random.choice(OWNERS)},
        "OpportunityWon": {**deal, **(money if random.random() < 0.6 else {}), **mine},
        "OpportunityLost": {**deal, "reason": random.choice(("price", "timing"))},
    }
    if random.random() < 0.12 and other != str(lead_id(name)):
        return "LeadMerged", {"into_lead_id": other, "matched_on": "email"}
    if random.random() < 0.05:
        return "LeadUnmerged", {"from_lead_id": other}
    if random.random() < 0.06:
        return "LeadMarked", _mark(random, 0.5)
    event = random.choice(list(made))
    data = {key: value for key, value in made[event].items() if value is not None}
    return event.partition(" ")[0], data
