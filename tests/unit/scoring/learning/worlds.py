"""Made-up leads whose truth is known, to learn from."""

from __future__ import annotations

import math
import random

from services.scoring.domain.model import Cell

CHANNELS = {"referral": 1.2, "web form": 0.0, "event": -0.4, "chat": -1.0}


def world(size: int, seed: int = 1, *, base: float = -0.8) -> tuple[list[dict[str, Cell]], list[bool]]:
    """Leads, and whether each became an opportunity: more likely by referral and with more visits, and with a budget only
    where somebody decides on it."""
    chance = random.Random(seed)
    rows: list[dict[str, Cell]] = []
    labels = []
    for _ in range(size):
        channel = chance.choice(list(CHANNELS))
        visits = chance.choice([None, *range(12)])
        budget, decides = chance.random() < 0.5, chance.random() < 0.5
        log_odds = base + CHANNELS[channel] + (0.0 if visits is None else 0.15 * (visits - 5))
        log_odds += 1.5 if budget and decides else -0.5
        rows.append(
            {
                "channel": channel,
                "visits": visits,
                "budget": budget,
                "decides": decides,
                "partner": f"partner {chance.randrange(120)}",
                "noise": chance.gauss(0, 1),
            }
        )
        labels.append(chance.random() < 1 / (1 + math.exp(-log_odds)))
    return rows, labels
