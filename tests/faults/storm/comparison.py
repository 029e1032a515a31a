"""After the storm: what each service keeps, against what went in, against its own story and against the others.

Every check yields what is wrong as a sentence; nothing to say means that all is well.
"""

from __future__ import annotations

import traceback
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import httpx

from services.metrics.storage import auditing
from services.pipeline.domain.deal_state import DealState
from services.pipeline.domain.facts import Fact
from services.pipeline.domain.state import LeadState, fold
from services.pipeline.storage.rows import fact_of
from shared.contracts.policy import Policy
from shared.contracts.topics import SCORING_SCORES, TOPICS
from shared.kit.database import Database
from tests.faults.storm.log import Log

SERVICES = ("pipeline", "scoring", "metrics")

STRANDED = """
    SELECT w.lead_id, w.event_id FROM pipeline.waiting w
    WHERE EXISTS (SELECT FROM pipeline.leads l WHERE l.lead_id = w.lead_id)
       OR EXISTS (SELECT FROM pipeline.waiting_identities t JOIN pipeline.identities i USING (token)
                  WHERE t.lead_id = w.lead_id AND t.event_id = w.event_id)"""
"""What waits although its lead is known."""


class Comparison:
    """Reads everything once everything is quiet."""

    def __init__(
        self, database: Database, metrics: httpx.AsyncClient, policy: Policy, log: Log, event_ids: set[UUID], year: int
    ) -> None:
        self._database = database
        self._metrics = metrics
        self._policy = policy
        self._log = log
        self._event_ids = event_ids
        self._window = {"from": "2020-01-01", "to": f"{year + 1}-01-01"}

    async def faults(self) -> list[str]:
        """All that is wrong; a check that breaks takes nothing from what the others found."""
        checks: Sequence[Callable[[], AsyncIterator[str]]] = (
            self._conservation,
            self._dead_letters,
            self._ledgers,
            self._stories,
            self._rows_against_fold,
            self._roots,
            self._scores,
            self._rollups,
            self._kpis,
        )
        found: list[str] = []
        for check in checks:
            try:
                found += [fault async for fault in check()]
            except Exception as error:
                found.append("".join(traceback.format_exception(error)))
        return found

    async def _conservation(self) -> AsyncIterator[str]:
        """Every captured event is one fact, or waits for somebody who is not known."""
        times = Counter(
            row.id
            for row in await self._database.rows(
                """
                SELECT causation_id AS id FROM pipeline.history WHERE event IN ('LeadCreated', 'LeadTouched')
                UNION ALL SELECT event_id FROM pipeline.waiting WHERE topic = 'capture.leads.v1'"""
            )
        )
        for event_id in self._event_ids:
            if times[event_id] != 1:
                yield f"the captured event {event_id} counts {times[event_id]} times"
        for row in await self._database.rows(STRANDED):
            yield f"the event {row.event_id} waits although its lead {row.lead_id} is known"

    async def _dead_letters(self) -> AsyncIterator[str]:
        for service in SERVICES:
            for row in await self._database.rows(f"SELECT topic, reason, detail FROM {service}.dead_letters"):
                yield f"{service} refused a good record of {row.topic}: {row.reason} {row.detail}"

    async def _ledgers(self) -> AsyncIterator[str]:
        """Each record that was passed is accounted for as one thing, and none is left."""
        for service in SERVICES:
            for row in await self._database.rows(f"SELECT * FROM {service}.consumer_offsets"):
                counted = row.facts + row.duplicates + row.waiting + row.dead_lettered
                if row.next_offset - row.first_offset != counted or row.facts < 0:
                    yield f"{service} counted {counted} records of {row.next_offset} in {row.topic}/{row.partition}"
                if row.next_offset != len(self._log.partitions[row.topic, row.partition]):
                    yield f"{service} did not reach the end of {row.topic}/{row.partition}"

    async def _stories(self) -> AsyncIterator[str]:
        """Versions have no gaps, and metrics has the facts that pipeline has."""
        for row in await self._database.rows(
            """
            SELECT l.lead_id, l.version, count(*) AS entries, max(h.version) AS latest
            FROM pipeline.leads l LEFT JOIN pipeline.history h USING (lead_id) GROUP BY l.lead_id
            HAVING l.version <> count(*) OR l.version IS DISTINCT FROM max(h.version)"""
        ):
            yield f"the lead {row.lead_id} at version {row.version} has {row.entries} facts up to {row.latest}"
        for row in await self._database.rows(
            """
            SELECT lead_id, event_id, h.event AS told, f.event AS kept
            FROM pipeline.history h FULL JOIN metrics.facts f USING (lead_id, event_id)
            WHERE h.event IS DISTINCT FROM f.event OR h.version <> f.version OR h.occurred_at <> f.occurred_at"""
        ):
            yield f"the event {row.event_id} of lead {row.lead_id} is {row.told} in pipeline, {row.kept} in metrics"

    async def _rows_against_fold(self) -> AsyncIterator[str]:
        """The stored leads and deals are what their whole story makes of them."""
        stories: dict[UUID, list[Fact]] = defaultdict(list)
        for row in await self._database.rows(
            "SELECT h.*, l.root_id FROM pipeline.history h JOIN pipeline.leads l USING (lead_id)"
        ):
            stories[row.root_id].append(fact_of(row))
        told: dict[str, tuple[UUID, DealState]] = {}
        for row in await self._database.rows("SELECT * FROM pipeline.leads WHERE root_id = lead_id"):
            state = fold(stories[row.lead_id])
            stored = (
                row.status, row.created_at, row.qualified_at, row.score, row.owner, row.channel, row.source,
                row.archived_reason,
            )  # fmt: skip
            if stored != _as_row(state):
                yield f"the lead {row.lead_id} is stored as {stored}, its story says {_as_row(state)}"
            told |= {name: (row.lead_id, deal) for name, deal in state.deals.items()}
        for row in await self._database.rows(
            "SELECT o.*, l.root_id FROM pipeline.opportunities o JOIN pipeline.leads l USING (lead_id)"
        ):
            kept = (row.root_id, row.status, row.stage, row.amount, row.closed_at)
            root, deal = told.pop(row.opportunity_id, (None, None))
            wanted = deal and (root, deal.status, deal.value("stage"), deal.value("amount"), deal.closed_at)
            if kept != wanted:
                yield f"the deal {row.opportunity_id} is stored as {kept}, its story says {wanted}"
        for name in told:
            yield f"the deal {name} has a story and no row"

    async def _roots(self) -> AsyncIterator[str]:
        """Who is who is the same everywhere. Scoring may know ids that never became leads: of one event, two senders."""
        for service, join in (("metrics", "FULL"), ("scoring", "INNER")):
            for row in await self._database.rows(
                f"""
                SELECT lead_id, p.root_id AS ours, s.root_id AS theirs
                FROM pipeline.leads p {join} JOIN {service}.leads s USING (lead_id)
                WHERE p.root_id IS DISTINCT FROM s.root_id"""
            ):
                yield f"the lead {row.lead_id} belongs to {row.ours} in pipeline, to {row.theirs} in {service}"

    async def _scores(self) -> AsyncIterator[str]:
        """Pipeline shows the score that scoring last gave, and took all of them in their order."""
        for row in await self._database.rows(
            """
            SELECT lead_id, s.score AS given, p.score AS shown FROM scoring.leads s JOIN pipeline.leads p USING (lead_id)
            WHERE s.root_id = s.lead_id AND p.root_id = p.lead_id AND s.score IS DISTINCT FROM p.score"""
        ):
            yield f"the lead {row.lead_id} has the score {row.given} in scoring and {row.shown} in pipeline"

        given: dict[UUID, dict[UUID, None]] = defaultdict(dict)
        for (topic, _), entries in self._log.partitions.items():
            for event in (TOPICS[topic].parse(entry.value) for entry in entries if topic == SCORING_SCORES.name):
                given[event.lead_id].setdefault(event.event_id)
        taken: dict[UUID, list[UUID]] = defaultdict(list)
        for row in await self._database.rows(
            "SELECT lead_id, causation_id FROM pipeline.history WHERE event = 'LeadGraded' ORDER BY lead_id, version"
        ):
            taken[row.lead_id].append(row.causation_id)
        for lead_id, verdicts in taken.items():
            if verdicts != list(given[lead_id]):
                yield f"the lead {lead_id} was given the verdicts {_ids(given[lead_id])}, pipeline took {_ids(verdicts)}"

    async def _rollups(self) -> AsyncIterator[str]:
        found = await auditing.rollups(self._database, self._policy.unit)
        if found["different"]:
            yield f"{found['different']} of {found['checked']} numbers do not follow from the facts: {found['differences'][:3]}"

    async def _kpis(self) -> AsyncIterator[str]:
        """What the KPI API says is what pipeline's rows say."""
        leads = await self._database.rows("SELECT * FROM pipeline.leads WHERE root_id = lead_id")
        deals = Counter(row.status for row in await self._database.rows("SELECT status FROM pipeline.opportunities"))
        wanted = {
            "leads_created": len(leads),
            "leads_qualified": sum(row.qualified_at is not None for row in leads),
            "leads_archived": sum(row.status == "archived" for row in leads),
            "opportunities_opened": deals.total(),
            "opportunities_won": deals["won"],
            "opportunities_lost": deals["lost"],
            "opportunities_open": deals["open"],
        }
        for kpi, count in wanted.items():
            said = (await self._ask(kpi))["total"]["value"]
            if said != count:
                yield f"{kpi} is {said} in metrics, {count} in pipeline"
        groups = (await self._ask("leads_created", group_by="channel"))["groups"]
        by_channel = {group["key"]["channel"]: group["value"] for group in groups if group["value"]}
        if by_channel != Counter(row.channel for row in leads):
            yield f"leads_created by channel is {by_channel}"

    async def _ask(self, kpi: str, **parameters: str) -> dict[str, Any]:
        answer = await self._metrics.get(f"/v1/kpis/{kpi}", params={**self._window, **parameters})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def _as_row(state: LeadState) -> tuple[Any, ...]:
    touch = state.first_touch
    return (
        state.status,
        state.created_at,
        state.qualified_at,
        state.graded.score if state.graded else None,
        state.assigned.owner if state.assigned else None,
        touch.channel if touch else None,
        touch.source if touch else None,
        state.archived.reason if state.archived and state.is_archived else None,
    )


def _ids(ids: Iterable[UUID]) -> str:
    return ", ".join(map(str, ids))
