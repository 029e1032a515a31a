"""What became of a deal, as somebody who works on it wants to see it: where it has been, and what it was worth when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import reduce
from typing import Any

from services.pipeline.domain.amounts import lines_worth
from services.pipeline.domain.deal_state import DEAL_EVENTS, DealState, evolve_deal
from services.pipeline.domain.facts import Fact
from services.pipeline.domain.stays import stays_of, time_in_stages
from shared.contracts.policy import UnitPolicy


def told(
    opportunity_id: str, facts: Iterable[tuple[Fact, Mapping[str, Any]]], unit: UnitPolicy, now: datetime
) -> dict[str, Any]:
    """The stays, the amounts and the close dates of a deal, from its lead's facts in order with what was said beside them."""
    own = [
        (fact, said)
        for fact, said in facts
        if fact.event in DEAL_EVENTS and fact.data["opportunity_id"] == opportunity_id
    ]
    deal: DealState | None = reduce(evolve_deal, (fact for fact, _ in own), None)
    if deal is None:
        return {}
    pipeline = deal.value("pipeline") or "default"
    stays = stays_of(deal.moves, [stage.name for stage in unit.pipelines.get(pipeline, ())])
    stage = unit.stage(deal.value("stage"), pipeline)
    lines = deal.value("lines") or []
    return {
        "probability": {"won": 1.0, "lost": 0.0}.get(deal.status, stage.probability if stage is not None else None),
        "lines": lines,
        "lines_amount": lines_worth(lines) if lines else None,
        "stages": [
            {
                "stage": stay.stage,
                "position": stay.position,
                "how": stay.how,
                "visit": stay.visit,
                "skipped": stay.skipped,
                "entered_at": stay.entered_at,
                "left_at": stay.left_at,
                "seconds": stay.seconds(now),
            }
            for stay in stays
        ],
        "seconds_in_stages": time_in_stages(stays, now),
        "amounts": [
            {"at": fact.occurred_at, **_some(fact, "amount", "currency", "lines", "actor")}
            for fact, _ in own
            if fact.data.get("amount") is not None
        ],
        "close_dates": [
            {"at": fact.occurred_at, **_some(fact, "expected_close", "actor")}
            for fact, _ in own
            if fact.data.get("expected_close") is not None
        ],
        "owners": [
            {"at": fact.occurred_at, **_some(fact, "owner", "team", "actor")}
            for fact, _ in own
            if fact.event in ("OpportunityOpened", "OpportunityAssigned") and fact.data.get("owner") is not None
        ],
        "endings": [
            {
                "at": fact.occurred_at,
                "how": "won" if fact.event == "OpportunityWon" else "lost",
                **_some(fact, "reason", "actor"),
                "note": said.get("note"),
            }
            for fact, said in own
            if fact.event in ("OpportunityWon", "OpportunityLost")
        ],
    }


def _some(fact: Fact, *names: str) -> dict[str, Any]:
    return {name: fact.data.get(name) for name in names}
