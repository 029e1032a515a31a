"""The judge is put to the test itself: a promise that somebody broke by hand must be seen."""

from __future__ import annotations

import random

from tests.faults.harness.invariants import broken_promises
from tests.faults.harness.matrix import scenario
from tests.faults.harness.stage import Stage
from tests.faults.harness.world import open_world

SABOTAGE = {
    "are no facts": """
        DELETE FROM metrics.facts WHERE (lead_id, event_id) =
            (SELECT lead_id, event_id FROM metrics.facts WHERE event = 'LeadTouched' LIMIT 1)""",
    "more than once": """
        INSERT INTO metrics.facts SELECT lead_id, gen_random_uuid(), version + 1000, event, occurred_at, recorded_at,
            causation_id, business_unit, data FROM metrics.facts WHERE event = 'LeadTouched' LIMIT 1""",
    "commands:": """
        DELETE FROM metrics.facts WHERE (lead_id, event_id) =
            (SELECT lead_id, event_id FROM metrics.facts WHERE event = 'OpportunityOpened' LIMIT 1)""",
    "not known under their ids": """
        UPDATE pipeline.leads SET lead_id = gen_random_uuid() WHERE lead_id = (SELECT lead_id FROM pipeline.leads LIMIT 1)""",
}


@scenario(row=0, title="sabotage: facts deleted or doubled and leads renamed by hand are noticed", seconds=45)
async def sabotage_is_noticed(stage: Stage, chance: random.Random) -> None:
    seen = Stage("sabotage", stage.folder)
    async with open_world(seen, rate=60.0, judged=False) as world:
        while not await world.rows("SELECT 1 FROM metrics.facts WHERE event = 'OpportunityOpened'"):
            await world.probe()
        await world.quiet()
        assert not await broken_promises(world), "something is wrong before the sabotage"
        for statement in SABOTAGE.values():
            await world.rows(statement)
        faults = await broken_promises(world)
        unseen = [word for word in SABOTAGE if not any(word in fault for fault in faults)]
        assert not unseen, f"{unseen} were not noticed, only {faults}"
    stage.counts(accepted=seen.accepted)
