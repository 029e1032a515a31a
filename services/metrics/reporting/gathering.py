"""Asks what a report needs, a few questions at a time, and answers with everything at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime

from services.metrics.asking import answered, ask
from services.metrics.reporting.plan import Ask
from services.metrics.reporting.telling import Answer
from services.metrics.storage import answering
from shared.contracts.policy import Policy
from shared.kit.database import Database
from shared.kit.errors import Rejected

AT_ONCE = 3
_NOT_SO = frozenset({"unknown-cut", "invalid-parameter", "too-many-groups"})
"""Why a KPI is left out: it is not known by that cut or filter, or of that other window, or there are more groups than anybody reads."""


async def gathered(database: Database, policy: Policy, asks: Iterable[Ask], now: datetime) -> dict[Ask, Answer | None]:
    """The answer to each question; None to one that cannot be asked."""
    progress = await answering.progress(database)
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(wanted: Ask) -> tuple[Ask, Answer | None]:
        try:
            question, before = ask(wanted.kpi, wanted.parameters, policy, now)
            async with turn:
                return wanted, await answered(database, policy, progress, question, before)
        except Rejected as rejected:
            if rejected.code in _NOT_SO:
                return wanted, None
            raise

    return dict(await asyncio.gather(*map(one, dict.fromkeys(asks))))
