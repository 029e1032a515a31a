"""A business with half a year behind it, for tests of what is told about it."""

from __future__ import annotations

from random import Random

from services.metrics.domain.facts import Fact
from tests.unit.metrics.stories import Told

EVIL = '<script>alert("x")</script>'
OWNERS = ("kim", "لیلا", "נועה", EVIL)
SOURCES = ("google", "نمایشگاه تهران", "כנס", "=1+1", None)
DAYS = 180


def half_a_year(leads: int = 240, seed: int = 7) -> list[Fact]:
    """Leads of every source and owner, some of them won, lost or archived; a last stage, amounts in two currencies."""
    random, told = Random(seed), Told()
    for number in range(leads):
        name, at, owner = f"lead-{number}", random.uniform(0, DAYS), random.choice(OWNERS)
        told.tell(name, "LeadCreated", at, channel=random.choice(("web_form", "phone")), source=random.choice(SOURCES))
        told.tell(name, "LeadAssigned", at + 0.01, owner=owner)
        told.tell(name, "ContactAttempted", at + random.uniform(0.1, 3), kind="call", human=True)
        if random.random() < 0.3:
            told.tell(name, "LeadArchived", at + random.uniform(2, 20), reason=random.choice(("no budget", "spam")))
            continue
        told.tell(name, "LeadQualified", at + random.uniform(1, 8))
        if random.random() < 0.6:
            opened = at + random.uniform(4, 30)
            currency = random.choice(("EUR", "EUR", "USD"))
            amount = str(random.randint(500, 20_000))
            told.tell(
                name,
                "OpportunityOpened",
                opened,
                opportunity_id="o",
                stage="discovery",
                amount=amount,
                currency=currency,
            )
            told.tell(name, "StageChanged", opened + 4, opportunity_id="o", stage="proposal")
            end = opened + random.uniform(8, 40)
            if random.random() < 0.5:
                told.tell(name, "OpportunityWon", end, opportunity_id="o", amount=amount, currency=currency)
            elif random.random() < 0.8:
                told.tell(name, "OpportunityLost", end, opportunity_id="o", reason=random.choice(("price", "timing")))
    return told.facts
