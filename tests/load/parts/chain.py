"""The whole chain: the highest rate at which nothing piles up, how soon an accepted lead is in the KPI API, and what each
process takes of memory and of the processors on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import psutil
import psycopg

from tests.load.arithmetic import Verdict, highest, median, percentile, verdict, waits
from tests.load.findings import Finding
from tests.load.run import Run
from tests.load.stage import Stage, running_stage
from tests.load.traffic import Traffic, bearer
from tests.support.patience import eventually
from tests.support.servers import SERVICES
from tests.support.services import API_TOKEN, CAPTURE_KEY, RunningServices

RATES = (*range(500, 1000, 125), *range(1000, 3000, 250), *range(3000, 8001, 500))
SECONDS, QUICK_SECONDS = 15.0, 6.0
HOPELESS_SECONDS = 5.0
"""A backlog worth so much ends a trial early: it will not be made up for, and everything has to be counted after it."""

SPOKEN = {Verdict.HOLDS: "sustained", Verdict.CLOSE: "not quite sustained", Verdict.FAILS: "not sustained"}
PROBES_PER_SECOND = 8
SEEN_WITHIN_SECONDS = 60.0
"""Looked for so long after the last lead was posted; what is not seen by then counts with all the time it was looked for."""

ASK_EVERY_SECONDS = 0.04
COUNTED = b"SELECT coalesce(sum(count), 0) FROM metrics.rollups WHERE measure = 'lead_created' AND dimension = ''"
LEFT = b"""
    SELECT (SELECT count(*) FROM scoring.outbox) + (SELECT count(*) FROM pipeline.outbox),
        (SELECT coalesce(sum(next_offset), 0) FROM scoring.consumer_offsets)
        + (SELECT coalesce(sum(next_offset), 0) FROM pipeline.consumer_offsets)
        + (SELECT coalesce(sum(next_offset), 0) FROM metrics.consumer_offsets)"""


@dataclass(frozen=True, slots=True)
class Trial:
    """What one rate came to."""

    rate: int
    accepted_per_second: float
    verdict: Verdict
    left: float
    waits: Sequence[float]
    unseen: int
    refused_probes: int
    microseconds: dict[str, float]
    generator_microseconds: float
    memory: dict[str, float]


@dataclass(slots=True)
class Chain:
    """Four running services and the leads they were given so far."""

    stage: Stage
    services: RunningServices
    seconds: float
    run: Run
    posted: int = 0
    counted_before: int = 0
    trials: list[Trial] = field(default_factory=list)

    def trial(self, rate: int, *, interact: bool) -> Trial:
        """Posts at a rate, watches, and waits until everything is counted."""
        before, began = self.stage.processor_seconds(), time.process_time()
        try:
            watch = asyncio.run(self._run(rate, interact))
        except RuntimeError as error:
            logs = "\n".join(f"{name}:\n{self.services.log(name)[-800:]}" for name in SERVICES)
            raise RuntimeError(f"{error}\n{logs}") from error
        after, spent = self.stage.processor_seconds(), time.process_time() - began
        leads, refused = watch.leads(), watch.traffic.posted.refused + watch.refused
        made = Trial(
            rate,
            leads / watch.traffic.posted.seconds,
            Verdict.FAILS if refused else verdict(rate, leads / watch.traffic.posted.seconds, watch.backlog),
            watch.backlog[-1][1],
            watch.waits(),
            watch.unseen(),
            watch.refused,
            {name: (after[name] - before[name]) / leads * 1e6 for name in after},
            spent / leads * 1e6,
            watch.memory,
        )
        self.counted_before += leads
        self.trials.append(made)
        self.run.say(
            f"{rate:,} leads/s{'' if interact else ' alone'}: accepted {made.accepted_per_second:,.0f}/s, "
            f"{made.left:,.0f} left, visible after {percentile(made.waits, 0.5):.2f} s, p99 "
            f"{percentile(made.waits, 0.99):.2f} s, {sum(made.microseconds.values()):,.0f} µs a lead"
            f"{f', {refused} requests refused, {watch.refused} of them probes' if refused else ''}"
            f"{f', {made.unseen} probes never seen' if made.unseen else ''}; "
            f"{SPOKEN[made.verdict]}"
        )
        return made

    async def _run(self, rate: int, interact: bool) -> Watch:
        traffic = Traffic(self.services, interact)
        watch = Watch(self, traffic, f"probe {len(self.trials)}")
        first, self.posted = self.posted, self.posted + int(rate * self.seconds) + 10_000
        async with traffic.open():
            posting = asyncio.create_task(traffic.at_rate(first, rate, self.seconds))
            await watch.until(posting, rate, self.seconds)
            await posting
            await watch.settled()
        return watch


class Watch:
    """What is seen from outside while a rate is posted."""

    def __init__(self, chain: Chain, traffic: Traffic, campaign: str) -> None:
        self._chain = chain
        self.traffic = traffic
        self._campaign = campaign
        self._accepted_at: list[float] = []
        self._visible_at: list[float] = []
        self._enough = False
        self._gave_up_at = 0.0
        self.refused = 0
        self.backlog: list[tuple[float, float]] = []
        self.memory: dict[str, float] = {}

    def leads(self) -> int:
        """Leads accepted, those that were posted to be looked for included."""
        return self.traffic.posted.leads + len(self._accepted_at)

    def waits(self) -> list[float]:
        """Seconds from each 202 to its lead's being counted."""
        return waits(self._accepted_at, self._visible_at, self._gave_up_at)

    def unseen(self) -> int:
        """Probes that were accepted and looked for in vain."""
        return max(0, len(self._accepted_at) - len(self._visible_at))

    async def until(self, posting: asyncio.Task[None], rate: int, seconds: float) -> None:
        """Looks on until the time of posting is over; sales may go on after it."""
        looking = [asyncio.create_task(one()) for one in (self._send, self._ask)]
        started = time.perf_counter()
        try:
            async with await psycopg.AsyncConnection.connect(
                self._chain.stage.database_url, autocommit=True
            ) as connection:
                while (passed := time.perf_counter() - started) < seconds and not posting.done():
                    await asyncio.sleep(min(0.5, seconds - passed))
                    self.backlog.append((time.perf_counter() - started, await self._behind(connection)))
                    if self.backlog[-1][1] > HOPELESS_SECONDS * rate:
                        self.traffic.enough = True
                        break
            self.memory = memory(self._chain)
            # The last probe's answer is waited for: one that was accepted unheard would be counted as another's.
            self._enough = True
            await looking[0]
            with suppress(TimeoutError):
                await eventually(lambda: not self.unseen() or looking[1].done(), within_seconds=SEEN_WITHIN_SECONDS)
            self._gave_up_at = time.perf_counter()
        finally:
            for task in looking:
                task.cancel()
            ended = await asyncio.gather(*looking, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _behind(self, connection: psycopg.AsyncConnection) -> float:
        accepted = self.leads()
        found = await (await connection.execute(COUNTED)).fetchone()
        assert found is not None
        return float(max(0, accepted - (int(found[0]) - self._chain.counted_before)))

    async def _send(self) -> None:
        async with httpx.AsyncClient(timeout=30, trust_env=False, headers=bearer(CAPTURE_KEY)) as client:
            url = f"{self._chain.services.url('capture')}/v1/leads"
            next_at = time.perf_counter()
            while not self._enough:
                name = f"{self._campaign} {len(self._accepted_at) + self.refused}".replace(" ", ".")
                body = {"email": f"{name}@example.com", "channel": "event", "campaign": self._campaign}
                try:
                    accepted = (await client.post(url, json=body)).status_code == 202
                except httpx.TransportError:
                    accepted = False
                if accepted:
                    self._accepted_at.append(time.perf_counter())
                else:
                    self.refused += 1
                next_at += 1 / PROBES_PER_SECOND
                await asyncio.sleep(max(0.0, next_at - time.perf_counter()))

    async def _ask(self) -> None:
        async with httpx.AsyncClient(timeout=30, trust_env=False, headers=bearer(API_TOKEN)) as client:
            url = f"{self._chain.services.url('metrics')}/v1/kpis/leads_created"
            while True:
                # Where nothing is answered nothing is seen, and the waits grow.
                with suppress(httpx.TransportError):
                    answer = await client.get(url, params={"campaign": self._campaign})
                    counted = answer.json()["total"]["value"] or 0 if answer.status_code == 200 else 0
                    self._visible_at += [time.perf_counter()] * (counted - len(self._visible_at))
                await asyncio.sleep(ASK_EVERY_SECONDS)

    async def settled(self) -> None:
        """Waits until every lead is counted and nothing moves any more."""
        give_up_at = time.monotonic() + 180
        last: tuple[float, ...] = ()
        async with await psycopg.AsyncConnection.connect(self._chain.stage.database_url, autocommit=True) as connection:
            while time.monotonic() < give_up_at:
                found = await (await connection.execute(LEFT)).fetchone()
                assert found is not None
                if not found[0] and tuple(found) == last and not await self._behind(connection):
                    return
                last = tuple(found)
                await asyncio.sleep(0.4)
        raise RuntimeError("not everything that was accepted was counted within three minutes")


def memory(chain: Chain) -> dict[str, float]:
    """Mebibytes each process has to itself, pages shared with others counted in part."""
    taken = {}
    families = {name: [psutil.Process(process.pid)] for name, process in chain.services.processes.items()}
    families |= {"broker": chain.stage.broker_processes, "postgres": chain.stage.postgres_processes}
    for name, processes in families.items():
        total = 0
        for one in [relative for process in processes for relative in (process, *process.children(recursive=True))]:
            with suppress(psutil.Error):
                total += one.memory_full_info().pss
        taken[name] = total / 2**20
    return taken


def chain(run: Run) -> list[Finding]:
    """The whole mix at 100 and 1,000 leads a second and at the highest rate, then leads alone at theirs."""
    with running_stage(run) as stage:
        services = stage.configured()
        for name in SERVICES:
            services.start(name)
        services.wait_until_ready()
        running = Chain(stage, services, QUICK_SECONDS if run.quick else SECONDS, run)
        time.sleep(3.0)
        resting = memory(running)
        run.say("warms up")
        running.trial(500, interact=True)
        calm = [running.trial(rate, interact=True) for rate in (100, 1000)]
        best = _search(running, calm[-1], interact=True)
        alone = None if run.quick else _search(running, calm[-1], interact=False)
    lines = []
    for trial, what in (
        (best, "whole chain, the mix, highest sustained"),
        (alone, "whole chain, leads alone, highest sustained"),
    ):
        if trial is not None:
            lines.append(_rate_line(trial, what, stage.broker))
    known = {trial.rate: trial for trial in (*calm, *([best] if best else []))}
    for trial in known.values():
        # The highest rate has its line of processes already.
        lines += _visible_lines(trial, processes=trial is not best)
    loaded = best or calm[-1]
    for name, at_rest in resting.items():
        lines.append(
            Finding(
                "chain",
                f"memory of {name}, under load",
                loaded.memory[name],
                "MiB",
                at_rest,
                "at rest",
                detail={"leads/s": loaded.rate},
            )
        )
    return lines


def _search(running: Chain, known: Trial, *, interact: bool) -> Trial | None:
    """The trial of the highest rate that holds; `known` says on which side of it to look."""
    held = known.verdict is Verdict.HOLDS
    rates = [rate for rate in RATES if (rate > known.rate if held else rate < known.rate)]
    found = highest(rates, lambda rate: running.trial(rate, interact=interact).verdict)
    trials = [trial for trial in running.trials if trial.rate == found and trial.verdict is Verdict.HOLDS]
    return trials[-1] if trials else known if held and interact else None


def _rate_line(trial: Trial, what: str, broker: str) -> Finding:
    detail = {"broker": broker, **_processes(trial)}
    return Finding("chain", what, trial.rate, "leads/s", target=5000, of_ratio=False, detail=detail)


def _processes(trial: Trial) -> dict[str, float]:
    spent = {f"{name} µs": value for name, value in trial.microseconds.items()}
    return {**spent, "load generator µs": trial.generator_microseconds}


def _visible_lines(trial: Trial, *, processes: bool) -> list[Finding]:
    target = 1.0 if trial.rate == 1000 else None
    what = f"accepted → visible in KPIs at {trial.rate:,} leads/s"
    detail: dict[str, float] = {"probes": len(trial.waits)}
    if trial.unseen or trial.refused_probes:
        detail |= {"never seen": trial.unseen, "refused": trial.refused_probes}
    detail |= {"µs a lead, all": sum(trial.microseconds.values()), **(_processes(trial) if processes else {})}
    return [
        Finding("chain", f"{what}, p50", median(trial.waits), "s", detail=detail),
        Finding("chain", f"{what}, p99", percentile(trial.waits, 0.99), "s", target=target, of_ratio=False, less_is_better=True),
    ]  # fmt: skip
