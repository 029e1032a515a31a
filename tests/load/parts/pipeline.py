"""Pipeline with a backlog before it, in the processor's time, beside the very statements that it issues, alone; without routing and
follow-up, and with both."""

from __future__ import annotations

import yaml

from shared.contracts.policy import Policy
from shared.kit.documents import read_yaml
from tests.load import crowd
from tests.load.findings import Finding
from tests.load.parts.streams import captured, drained
from tests.load.replaying import Alone, alone
from tests.load.replaying import pipeline as replayed
from tests.load.run import Run
from tests.load.stage import running_stage
from tests.support.services import ROOT

LEADS, QUICK_LEADS = 20_000, 4_000
WITHIN = 0.5
"""At least half as fast as its statements alone."""


def pipeline(run: Run) -> list[Finding]:
    """The handler by itself and the whole service, each against its statements, by both policies."""
    lines: list[Finding] = []
    with running_stage(run) as stage:
        services = stage.configured()
        captured(stage, services, run, QUICK_LEADS if run.quick else LEADS)
        drained(stage, services, "scoring", run)
        services.stop("scoring")
        full = stage.folder / "policy.yaml"
        full.write_text(yaml.safe_dump(crowd.POLICY, allow_unicode=True))
        for policy, more in ((ROOT / "policy.yaml", ""), (full, ", with routing and follow-up")):
            url = stage.databases.migrated()
            services = stage.configured(LEADFLOW_DATABASE_URL=url, LEADFLOW_POLICY_FILE=str(policy))
            done = drained(stage, services, "pipeline", run, url=url)
            services.stop("pipeline")
            found = alone(stage, replayed(read_yaml(policy, Policy)), with_the_log=True)
            run.say(
                f"handler{more}: {found.handled:,.0f} µs an event, its statements alone {found.stated:,.0f} µs, "
                f"with the log before and the relay behind them {found.passed or 0:,.0f} µs"
            )
            lines += _lines(found, done.per_core_with_postgres, more)
    return lines


def _lines(found: Alone, service: float, more: str) -> list[Finding]:
    stated, passed = 1e6 / found.stated, 1e6 / found.passed if found.passed else None
    detail = {"statements a batch": found.statements, "PostgreSQL's time": "included"}
    against = "its statements alone, same rows, same client"
    return [
        Finding("pipeline", f"pipeline's handler{more}", 1e6 / found.handled, "events/s a core", stated, against, target=WITHIN, detail=detail),
        Finding("pipeline", f"pipeline, the service{more}", service, "events/s a core", stated, against, target=WITHIN),
        Finding("pipeline", f"pipeline, the service{more}", service, "events/s a core", passed, "the same statements, the log read before and the relay behind, nothing in between", target=WITHIN),
        Finding("pipeline", f"pipeline's handler{more}", 1e6 / found.handled, "events/s a core", 1e6 / found.encoded, "its statements alone, encoded before (the limit)"),
    ]  # fmt: skip
