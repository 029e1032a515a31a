"""Sweeps or rescores in a process of its own, until it is done or killed: `python -m … URL KIND NOW POLICY`."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime

from prometheus_client import CollectorRegistry

from services.scoring.handlers import Handlers
from services.scoring.instruments import ScoringInstruments
from services.scoring.rescoring import Rescoring
from services.scoring.sweep import Sweep
from shared.contracts.policy import Policy
from shared.kit.database import Database
from tests.support.clock import FakeClock

BATCH = 7


async def main(url: str, kind: str, now: str, policy: str) -> None:
    """Says so when it begins, so that whoever kills it need not guess."""
    database = Database(url, schema="scoring", clock=FakeClock(datetime.fromisoformat(now)))
    instruments = ScoringInstruments(CollectorRegistry())
    handlers = Handlers(Policy.model_validate_json(policy), instruments, {})
    print("begins", flush=True)
    if kind == "sweep":
        await Sweep(database, handlers, instruments, interval_seconds=1, batch=BATCH).until_done()
    else:
        await Rescoring(database, handlers, interval_seconds=1, batch=BATCH).until_done()
    print("done", flush=True)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
