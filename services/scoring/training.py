"""Learning on a schedule and on demand, in a process of its own: whatever becomes of that one, scoring goes on."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import orjson
from sqlalchemy import Row

from services.scoring import storage
from services.scoring.instruments import TrainingInstruments
from services.scoring.settings import ScoringSettings
from shared.contracts.policy import Policy
from shared.kit.background import running
from shared.kit.database import Database
from shared.kit.logs import log
from shared.kit.transient import is_transient

PROGRAM = (sys.executable, "-m", "services.scoring.learning", "train", "--json")

LOOK_SECONDS = 2.0
SEEN_SECONDS = 5.0
LOST_AFTER = timedelta(seconds=60)
SCHEDULE_EVERY_LOOKS = 30
"""The schedule is looked at once a minute, the first time a minute after the start."""

MOST_TOLD = 300


class Training:
    """One task beside the consumer. Of several replicas one trains at a time; one that was stopped is begun again."""

    def __init__(
        self,
        database: Database,
        settings: ScoringSettings,
        policy: Policy,
        instruments: TrainingInstruments,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self._database = database
        self._instruments = instruments
        self._program = program
        self._environment = _environment(settings)
        self._most_minutes = settings.train_most_minutes
        self._every = timedelta(hours=settings.train_every_hours)
        rules = policy.defaults.scoring.model
        self._scheduled = rules.enabled and settings.train_every_hours > 0
        self._least = rules.least_to_learn + rules.least_to_judge
        self._asked = asyncio.Event()

    async def ask(self, business_unit: str | None, *, dry_run: bool, by: str) -> Row[Any]:
        """Has models learned, of one unit or of all. Asking again while it waits is the same training."""
        new_id = uuid4()
        asked = await self._database.run(
            lambda tx: storage.ask_training(tx, new_id, business_unit, dry_run=dry_run, by=by)
        )
        self._asked.set()
        return asked

    async def found(self, run_id: UUID | None = None) -> list[Row[Any]]:
        """One training, or the latest."""
        return await self._database.run(lambda tx: storage.training_runs(tx, run_id))

    async def ask_on_schedule(self) -> bool:
        """Asks where it is time, and there is something to learn from."""
        new_id = uuid4()
        return self._scheduled and await self._database.run(
            lambda tx: storage.ask_on_schedule(tx, new_id, every=self._every, least_reached=self._least)
        )

    async def once(self) -> bool:
        """Does the next training. False where there is none to do."""
        run = await self._database.run(lambda tx: storage.take_training(tx, LOST_AFTER))
        if run is None:
            return False
        status, words, results = await self._train(run)
        await self._database.run(lambda tx: storage.end_training(tx, run, status, words, results), deadline_seconds=60)
        self._instruments.ended.labels(status).inc()
        (log().info if status == "finished" else log().warning)(f"training_{status}", words=words)
        return True

    async def _train(self, run: Row[Any]) -> tuple[Literal["finished", "failed"], str, list[Any] | None]:
        arguments = ["--by", run.asked_by]
        arguments += ["--unit", run.business_unit] if run.business_unit is not None else []
        arguments += ["--dry-run"] if run.dry_run else []
        learner = await asyncio.create_subprocess_exec(
            *self._program,
            *arguments,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        seeing = asyncio.create_task(self._see(run, learner.kill))
        try:
            async with asyncio.timeout(self._most_minutes * 60):
                printed, complained = await learner.communicate()
        except TimeoutError:
            words = f"the learner was stopped after {self._most_minutes:g} minutes: raise SCORING_TRAIN_MOST_MINUTES"
            return "failed", words, None
        finally:
            seeing.cancel()
            if learner.returncode is None:
                learner.kill()
                await learner.wait()
        if learner.returncode != 0:
            return "failed", _why(learner.returncode or 0, complained.decode(errors="replace")), None
        try:
            results = orjson.loads(printed)
        except orjson.JSONDecodeError:
            return "failed", "the learner ended well and said nothing that can be read", None
        return "finished", _together(results), results

    async def _see(self, run: Row[Any], kill: Callable[[], None]) -> None:
        """Says that somebody is at it, and stops where another has taken it over."""
        while True:
            await asyncio.sleep(SEEN_SECONDS)
            try:
                if not await self._database.run(lambda tx: storage.see_training(tx, run)):
                    with suppress(ProcessLookupError):
                        kill()
            except Exception as error:
                if not is_transient(error):
                    log().error("training_not_seen", error_type=type(error).__name__)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Trains what was asked, and what it is time for, until the context ends."""
        async with running(self._work(), "scoring-training"):
            yield

    async def _work(self) -> None:
        looks = 0
        while True:
            self._asked.clear()
            looks += 1
            try:
                if looks % SCHEDULE_EVERY_LOOKS == 0:
                    await self.ask_on_schedule()
                if await self.once():
                    continue
            except Exception as error:
                if not is_transient(error):
                    log().error("training_failed", error_type=type(error).__name__)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._asked.wait()


def _environment(settings: ScoringSettings) -> dict[str, str]:
    """What the learner is told: what this service was, whichever way it was told that. It uses one thread."""
    return {
        **os.environ,
        "LEADFLOW_DATABASE_URL": settings.database_url.get_secret_value(),
        "LEADFLOW_API_TOKEN": settings.api_token.get_secret_value(),
        "LEADFLOW_IDENTITY_SECRET": settings.identity_secret.get_secret_value(),
        "LEADFLOW_POLICY_FILE": str(settings.policy_file),
        "SCORING_TRAIN_MEMORY_MEGABYTES": str(settings.train_memory_megabytes),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _why(code: int, complained: str) -> str:
    """Why a learner ended badly, without what it may have quoted of the data."""
    said = [line for line in complained.splitlines() if line.strip()]
    if "MemoryError" in complained:
        return "the learner's memory did not suffice: raise SCORING_TRAIN_MEMORY_MEGABYTES"
    if code < 0:
        return f"the learner was killed by signal {-code}, perhaps for want of memory"
    if said and said[-1].startswith("Error: "):
        return said[-1].removeprefix("Error: ")[:MOST_TOLD]
    kind = said[-1].partition(":")[0][:80] if said else "nothing said"
    return f"the learner ended with code {code}: {kind}"


def _together(results: Sequence[Mapping[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for one in results:
        counts[one["found"]] = counts.get(one["found"], 0) + 1
    return ", ".join(f"{count} {found.replace('_', ' ')}" for found, count in sorted(counts.items())) or "nothing to do"
