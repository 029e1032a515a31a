"""Metrics with a backlog before it, in the processor's time: beside the very statements that it issues, alone; by layer of its own and
by statement of the database; and a thousand events of one kind at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import uvloop

from shared.contracts.policy import Policy
from shared.kit.documents import read_yaml
from tests.load import replaying
from tests.load.findings import Finding
from tests.load.layers import Layers, by_kind, by_layer
from tests.load.parts.streams import captured, drained, relayed, win
from tests.load.replaying import alone, batches_of
from tests.load.run import Run
from tests.load.stage import Stage, running_stage
from tests.support.services import ROOT

LEADS, QUICK_LEADS = 10_000, 4_000
AIM = 20_000
SHOWN = 0.05
"""Microseconds below which a layer or a statement is not told."""


def folding(run: Run) -> list[Finding]:
    """The service, its handler and its statements over the same log, and where the handler's time goes."""
    with running_stage(run) as stage:
        services = stage.configured()
        captured(stage, services, run, QUICK_LEADS if run.quick else LEADS)
        for name in ("scoring", "pipeline"):
            drained(stage, services, name, run)
            if name == "pipeline":
                run.say(f"{asyncio.run(win(stage, services))} leads won")
                relayed(stage, name)
            services.stop(name)
        done = drained(stage, services, "metrics", run)
        services.stop("metrics")
        service = replaying.metrics(read_yaml(ROOT / "policy.yaml", Policy))
        found = alone(stage, service)
        run.say(
            f"handler: {found.handled:,.1f} µs an event, its statements alone {found.stated:,.1f} µs, encoded before {found.encoded:,.1f} µs"
        )
        layers, kinds = _looked_into(stage, service)
    for what, parts in layers.items():
        run.say(f"{what}: {_told(parts)}")
    detail = {"own µs": done.own, "PostgreSQL µs": done.postgres}
    stated, encoded = 1e6 / found.stated, 1e6 / found.encoded
    return [
        Finding("folding", "metrics, its own process", done.per_core, "events/s a core", target=AIM, of_ratio=False, detail=detail),
        Finding("folding", "metrics, PostgreSQL's time included", done.per_core_with_postgres, "events/s a core", stated, "its statements alone, same rows, same client"),
        Finding("folding", "metrics' handler", 1e6 / found.handled, "events/s a core", stated, "its statements alone, same rows, same client", detail={"statements a batch": found.statements, "PostgreSQL's time": "included"}),
        Finding("folding", "metrics' handler", 1e6 / found.handled, "events/s a core", encoded, "its statements alone, encoded before (the limit)"),
        Finding("folding", "metrics' handler, its own process", 1e6 / sum(layers["own"].values()), "events/s a core", detail=_in_words(layers["own"])),
        Finding("folding", "what the database takes of it", 1e6 / sum(layers["PostgreSQL"].values()), "events/s a core", detail=_in_words(layers["PostgreSQL"])),
        *(
            Finding("folding", f"a thousand {kind} at once", 1e6 / (own + postgres), "events/s a core", detail={"own µs": own, "PostgreSQL µs": postgres, "events": events})
            for kind, (events, own, postgres) in kinds.items()
            if events >= replaying.AT_ONCE
        ),
    ]  # fmt: skip


def _looked_into(stage: Stage, service: replaying.Service) -> tuple[Layers, Mapping[str, tuple[int, float, float]]]:
    batches = batches_of(stage, service.reads)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(by_layer(stage, service, batches)), runner.run(by_kind(stage, service, batches))


def _in_words(parts: Mapping[str, float]) -> dict[str, str]:
    return {name: f"{microseconds:.1f} µs" for name, microseconds in parts.items() if microseconds >= SHOWN}


def _told(parts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {told}" for name, told in _in_words(parts).items())
