"""What models beside the rules cost: scoring over the same backlog several times in one run, without a model, with one, with one
of either outcome, and with two to which no lead looks like another."""

from __future__ import annotations

import psycopg

from services.scoring.domain.model import CUSTOMER, OPPORTUNITY
from tests.load import mix, model
from tests.load.findings import Finding
from tests.load.parts.streams import LEADS, QUICK_LEADS, Drained, captured, drained
from tests.load.run import Run
from tests.load.stage import Stage, running_stage
from tests.support.services import RunningServices

FORGET = b"""
    TRUNCATE scoring.touches, scoring.attachments, scoring.leads, scoring.outcomes, scoring.outbox,
        scoring.consumer_offsets
"""


def models(run: Run) -> list[Finding]:
    """Scoring alone, with everything before it; then again from the beginning, with ever more of a model's part."""
    leads = QUICK_LEADS if run.quick else LEADS
    with running_stage(run) as stage:
        services = stage.configured()
        captured(stage, services, run, leads, mix.different_leads_body)
        without = drained(stage, services, "scoring", run)
        model.activate(stage.database_url, "one", OPPORTUNITY, model.a_model(7, looks_at_own_numbers=False))
        with_one = _again(stage, services, run)
        model.activate(stage.database_url, "two", CUSTOMER, model.a_model(8, looks_at_own_numbers=False))
        with_both = _again(stage, services, run)
        model.activate(stage.database_url, "three", OPPORTUNITY, model.a_model(7, looks_at_own_numbers=True))
        model.activate(stage.database_url, "four", CUSTOMER, model.a_model(8, looks_at_own_numbers=True))
        all_differ = _again(stage, services, run)
        spoke = stage.scalar(
            "SELECT count(*) FROM scoring.leads WHERE model_version = 'three' AND customer_model_version = 'four'"
        )
        run.say(f"both models spoke of {spoke:,} leads")
        services.stop("scoring")
    if spoke < leads:
        raise RuntimeError(f"the models spoke of {spoke:,} of {leads:,} leads")
    return [
        *_lines("scoring with a model", with_one, without),
        *_lines("scoring with a model of either outcome", with_both, without),
        *_lines("the same where no lead looks like another", all_differ, without),
    ]


def _again(stage: Stage, services: RunningServices, run: Run) -> Drained:
    services.stop("scoring")
    with psycopg.connect(stage.database_url) as connection:
        connection.execute(FORGET)
    return drained(stage, services, "scoring", run)


def _lines(what: str, done: Drained, without: Drained) -> list[Finding]:
    detail = {"own µs": done.own, "PostgreSQL µs": done.postgres, "own µs without": without.own}
    both, alone = done.per_core_with_postgres, without.per_core_with_postgres
    against = "the same without a model"
    return [
        Finding("models", f"{what}, its own process", done.per_core, "events/s a core", without.per_core, against, target=0.5, detail=detail),
        Finding("models", f"{what}, PostgreSQL's time included", both, "events/s a core", alone, against),
    ]  # fmt: skip
