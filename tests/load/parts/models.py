"""What a model beside the rules costs: scoring over the same backlog twice in one run, without a model and with one."""

from __future__ import annotations

import psycopg

from tests.load import model
from tests.load.findings import Finding
from tests.load.parts.streams import LEADS, QUICK_LEADS, captured, drained
from tests.load.run import Run
from tests.load.stage import running_stage

FORGET = b"""
    TRUNCATE scoring.touches, scoring.attachments, scoring.leads, scoring.outcomes, scoring.outbox,
        scoring.consumer_offsets
"""


def models(run: Run) -> list[Finding]:
    """Scoring alone, with everything before it; then again from the beginning, with a model."""
    leads = QUICK_LEADS if run.quick else LEADS
    with running_stage(run) as stage:
        services = stage.configured()
        captured(stage, services, run, leads)
        without = drained(stage, services, "scoring", run)
        services.stop("scoring")
        with psycopg.connect(stage.database_url) as connection:
            connection.execute(FORGET)
        model.activate(stage.database_url)
        with_one = drained(stage, services, "scoring", run)
        spoke = stage.scalar("SELECT count(*) FROM scoring.leads WHERE model_version IS NOT NULL")
        run.say(f"the model spoke of {spoke:,} leads")
        services.stop("scoring")
    if spoke < leads:
        raise RuntimeError(f"the model spoke of {spoke:,} of {leads:,} leads")
    detail = {"own µs": with_one.own, "PostgreSQL µs": with_one.postgres, "own µs without": without.own}
    both, alone = with_one.per_core_with_postgres, without.per_core_with_postgres
    against = "the same without a model"
    return [
        Finding("models", "scoring with a model, its own process", with_one.per_core, "events/s a core", without.per_core, against, target=0.5, detail=detail),
        Finding("models", "scoring with a model, PostgreSQL's time included", both, "events/s a core", alone, against),
    ]  # fmt: skip
