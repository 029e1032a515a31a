"""Whatever is done in whatever order, by the log, by commands, by timers and by imports: every row is what its history comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule, run_state_machine_as_test
from prometheus_client import CollectorRegistry

from services.pipeline.app import create_app
from services.pipeline.settings import PipelineSettings
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import TOKEN, Pipeline
from tests.integration.pipeline.folding import differences
from tests.integration.pipeline.test_returning import PIPELINES
from tests.integration.pipeline.test_routing import ROUTING, with_sections
from tests.integration.pipeline.test_timers import FOLLOW_UP, Work
from tests.unit.pipeline.builders import POLICY, SECRET, a_lead, a_score, an_interaction, at

RULES = with_sections(
    routing=ROUTING,
    pipelines={**PIPELINES, "default": [*PIPELINES["default"], {"name": "proposal", "probability": 0.5}]},
    follow_up={**FOLLOW_UP, "requests": {"kinds": ["quote_request"], "within": "4h"}},
    churn_reasons=["price"],
)
ANSWERS = {200, 201, 207, 308, 409, 422}
"""What may be answered to a command: done, moved to another id, refused. Nothing else."""


class World:
    """A pipeline with its API and its timers, at a time that the test moves, in a loop of its own."""

    def __init__(self, url: str, policy: Path) -> None:
        self._runner = asyncio.Runner()
        self.pipeline = self.run(self._begin(url, policy))
        self.number = 0

    async def _begin(self, url: str, policy: Path) -> Pipeline:
        pipeline = Pipeline(url, CollectorRegistry())
        self.work = Work(pipeline, RULES)
        self.app = create_app(
            PipelineSettings(database_url=url, api_token=TOKEN, identity_secret=SECRET.decode(), policy_file=policy)
        )
        self.app.state.database.clock = self.work.clock
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app), base_url="http://pipeline", headers=headers
        )
        return pipeline

    def run(self, doing: Any) -> Any:
        return self._runner.run(doing)

    def next(self) -> int:
        self.number += 1
        return self.number

    def take(self, *events: Any) -> None:
        self.run(self.pipeline.take(*events))

    def do(self, path: str, **said: Any) -> httpx.Response:
        answer: httpx.Response = self.run(self.http.post(path, json=said))
        assert answer.status_code in ANSWERS, answer.text
        return answer

    def listed(self, path: str) -> list[dict[str, Any]]:
        answer: httpx.Response = self.run(self.http.get(path))
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    def close(self) -> None:
        self.run(self.http.aclose())
        self.run(self.app.state.database.close())
        self.run(self.pipeline.database.close())
        self._runner.close()


class Anything(RuleBasedStateMachine):
    """A handful of people of whom things are told and with whom things are done."""

    world: World
    people = Bundle("people")
    deals = Bundle("deals")

    def lead(self, person: Any) -> str:
        """The canonical id of somebody, as they are now."""
        answer = self.world.run(self.world.http.get(f"/v1/leads/{person.lead_id}", follow_redirects=True))
        return f"/v1/leads/{answer.json()['lead_id']}"

    @initialize(target=people)
    def begin(self) -> Any:
        """Three people whom somebody has to see to, so that little has to happen before much can."""
        self.day = self.world.next()
        known = [a_lead(f"p{self.world.next()}@x.example", occurred_at=at(place)) for place in range(3)]
        self.world.take(*known, *(a_score(one.lead_id, 70, "A", occurred_at=at(9)) for one in known))
        return multiple(*known)

    # the log

    @rule(
        target=people, ago=st.integers(0, 300), phone=st.none() | st.integers(1, 3), country=st.none() | st.just("NL")
    )
    def capture(self, ago: int, phone: int | None, country: str | None) -> Any:
        number = f"+3161234{self.day:03}{phone}" if phone is not None else None
        event = a_lead(
            f"p{self.world.next()}@x.example", phone=number, country=country, occurred_at=at(0) - timedelta(minutes=ago)
        )
        self.world.take(event)
        return event

    @rule(person=people, ago=st.integers(-60, 300))
    def capture_again(self, person: Any, ago: int) -> None:
        self.world.take(a_lead(person.personal.email, occurred_at=self.world.work.clock.now() - timedelta(minutes=ago)))

    @rule(person=people, score=st.integers(0, 100))
    def score(self, person: Any, score: int) -> None:
        self.world.take(
            a_score(person.lead_id, score, "A" if score > 50 else "C", occurred_at=self.world.work.clock.now())
        )

    @rule(person=people, kind=st.sampled_from(["page_view", "quote_request"]), ago=st.integers(0, 300))
    def interact(self, person: Any, kind: str, ago: int) -> None:
        when = self.world.work.clock.now() - timedelta(minutes=ago)
        self.world.take(an_interaction(person.personal.email, kind=kind, occurred_at=when))

    # time

    @rule(minutes=st.integers(1, 600))
    def wait(self, minutes: int) -> None:
        self.world.work.after(minutes)
        while self.world.run(self.world.work.timers.once()):
            pass

    # commands

    @rule(person=people, owner=st.sampled_from(["ann", "bob", "zoe"]))
    def assign(self, person: Any, owner: str) -> None:
        self.world.do(f"{self.lead(person)}:assign", owner=owner)

    @rule(
        person=people,
        what=st.sampled_from(["qualify", "requalify", "reopen", "release", "unmerge", "ask-satisfaction"]),
    )
    def say(self, person: Any, what: str) -> None:
        self.world.do(f"{self.lead(person)}:{what}")

    @rule(person=people, hours=st.none() | st.integers(1, 20))
    def archive(self, person: Any, hours: int | None) -> None:
        back = {"recycle_at": (self.world.work.clock.now() + timedelta(hours=hours)).isoformat()} if hours else {}
        self.world.do(f"{self.lead(person)}:archive", reason="no budget", **back)

    @rule(person=people, mark=st.sampled_from(["test", "spam"]))
    def mark(self, person: Any, mark: str) -> None:
        self.world.do(f"{self.lead(person)}:mark", mark=mark)

    @rule(person=people, outbound=st.booleans(), kind=st.sampled_from(["phone", "email"]))
    def contact(self, person: Any, outbound: bool, kind: str) -> None:
        self.world.do(f"{self.lead(person)}:record-contact", kind=kind, outbound=outbound)

    @rule(person=people)
    def note(self, person: Any) -> None:
        self.world.do(f"{self.lead(person)}/notes", note="ring twice")

    @rule(person=people, role=st.sampled_from(["decision_maker", "adviser", "secretary"]))
    def add_contact(self, person: Any, role: str) -> None:
        self.world.do(f"{self.lead(person)}/contacts", role=role, email=f"c{self.world.next()}@x.example")

    @rule(person=people, change=st.booleans())
    def change_contact(self, person: Any, change: bool) -> None:
        path = self.lead(person)
        for one in self.world.run(self.world.http.get(path)).json()["contacts"]:
            said = {"role": "adviser"} if change else {}
            self.world.do(f"{path}/contacts/{one['contact_id']}:{'change' if change else 'remove'}", **said)

    @rule(one=people, other=people)
    def merge(self, one: Any, other: Any) -> None:
        self.world.do(f"{self.lead(one)}:merge", other_lead_id=str(other.lead_id))

    @rule(person=people)
    def part(self, person: Any) -> None:
        self.world.do(f"/v1/leads/{person.lead_id}:unmerge")

    @rule(person=people, hours=st.integers(1, 9))
    def add_task(self, person: Any, hours: int) -> None:
        due = self.world.work.clock.now() + timedelta(hours=hours)
        self.world.do(f"{self.lead(person)}/tasks", due_at=due.isoformat(), owner="ann")

    @rule(person=people, how=st.sampled_from(["complete", "cancel", "snooze"]))
    def see_to_tasks(self, person: Any, how: str) -> None:
        until = (self.world.work.clock.now() + timedelta(hours=3)).isoformat()
        for one in self.world.listed(f"/v1/tasks?lead_id={self.lead(person).rpartition('/')[2]}"):
            self.world.do(f"/v1/tasks/{one['task_id']}:{how}", **({"until": until} if how == "snooze" else {}))

    @rule(target=deals, person=people)
    def open(self, person: Any) -> str:
        name = f"d{self.world.next()}"
        self.world.do(f"{self.lead(person)}/opportunities", opportunity_id=name, amount="10")
        return name

    @rule(deal=deals, how=st.sampled_from(["win", "lose", "reopen", "move", "change-amount", "assign"]))
    def sell(self, deal: str, how: str) -> None:
        said = {
            "lose": {"reason": "price"},
            "move": {"stage": "proposal"},
            "change-amount": {"amount": "12.5"},
            "assign": {"owner": "zoe"},
        }
        answer = self.world.run(self.world.http.post(f"/v1/opportunities/{deal}:{how}", json=said.get(how, {})))
        assert answer.status_code in ANSWERS | {404}, answer.text

    @rule(person=people, days=st.integers(1, 60), again=st.booleans())
    def order_that_runs_out(self, person: Any, days: int, again: bool) -> None:
        name, until = f"o{self.world.next()}", self.world.work.clock.now() + timedelta(days=days)
        path = f"{self.lead(person)}/orders"
        self.world.do(path, order_id=name, amount="9", runs_until=until.isoformat())
        if again:
            self.world.do(path, order_id=f"{name}b", amount="9", renews=name)

    @rule(person=people, whole=st.booleans())
    def order(self, person: Any, whole: bool) -> None:
        name = f"o{self.world.next()}"
        if self.world.do(f"{self.lead(person)}/orders", order_id=name, amount="100").status_code == 201:
            self.world.do(f"/v1/orders/{name}:refund", **({} if whole else {"amount": "40"}))

    @rule(person=people)
    def cancel_orders(self, person: Any) -> None:
        customer = self.world.run(self.world.http.get(f"{self.lead(person)}/customer")).json()
        for one in customer["orders"]:
            self.world.do(f"/v1/orders/{one['order_id']}:cancel", reason="wrong")

    @rule(person=people)
    def leave(self, person: Any) -> None:
        self.world.do(f"{self.lead(person)}:churn", reason="price")

    @rule(
        lead=st.integers(1, 3),
        events=st.lists(
            st.sampled_from(
                ["lead_created", "assigned", "archived", "reopened", "opportunity_opened", "stage_changed", "opportunity_assigned", "won", "lost", "order_placed"]
            ),
            min_size=1,
            max_size=6,
        ),
        day=st.integers(1, 28),
    )  # fmt: skip
    def import_history(self, lead: int, events: list[str], day: int) -> None:
        said: dict[str, dict[str, Any]] = {
            "assigned": {"owner": "kim"},
            "archived": {"reason": "silence"},
            "lost": {"reason": "whim"},
            "opportunity_assigned": {"owner": "lee", "team": "north"},
            "stage_changed": {"stage": "proposal"},
            "opportunity_opened": {"stage": "discovery", "amount": "7"},
            "won": {"amount": "9"},
            "order_placed": {"order_id": f"i{self.world.next()}", "amount": "3"},
        }
        rows = [
            {
                "external_id": f"h{self.day}-{lead}",
                "event": event,
                "occurred_at": f"2026-01-{(day + place * 5) % 28 + 1:02}T10:00:00Z",
                **said.get(event, {}),
            }
            for place, event in enumerate(events)
        ]
        self.world.do("/v1/history:batch", sender="crm", rows=rows)

    def teardown(self) -> None:
        self.world.run(self.world.pipeline.check())


@pytest.fixture
def world(migrated_database: Callable[..., str], tmp_path: Path) -> Iterator[World]:
    policy = tmp_path / "policy.yaml"
    policy.write_text(RULES.model_dump_json(exclude_none=True))
    one = World(migrated_database("pipeline"), policy)
    yield one
    one.close()


@pytest.mark.timeout(600)
def test_every_row_is_what_its_history_comes_to_whatever_is_done(world: World) -> None:
    class Here(Anything):
        pass

    Here.world = world
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=6,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],  # a smaller example would be of a database that has seen the larger one
        ),
    )


@pytest.fixture
def rules() -> Policy:
    return POLICY


BENT = {
    "leads": "UPDATE pipeline.leads SET status = 'working'",
    "ids": "UPDATE pipeline.leads SET version = version + 1",
    "opportunities": "UPDATE pipeline.opportunities SET owner = 'eve'",
    "orders": "DELETE FROM pipeline.orders",
    "worklist": "INSERT INTO pipeline.worklist SELECT lead_id, business_unit, 'eve', 1, now() FROM pipeline.leads",
    "owner_loads": "INSERT INTO pipeline.owner_loads VALUES ('default', 'eve', 1)",
    "tasks": "UPDATE pipeline.tasks SET due_at = now(), fires_at = now()",
    "activities": "UPDATE pipeline.activities SET outcome = 'none'",
}


@pytest.mark.parametrize("table", BENT)
async def test_a_row_that_history_does_not_tell_is_found(
    pipeline: Pipeline, http: httpx.AsyncClient, table: str
) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead, a_score(lead.lead_id, 70))
    path = f"/v1/leads/{lead.lead_id}"
    for where, said in (
        ("/notes", {"note": "ring twice"}),
        ("/tasks", {"due_at": "2030-01-01T10:00:00Z", "owner": "kim"}),
        ("/opportunities", {"opportunity_id": "d1"}),
        ("/orders", {"order_id": "o1", "amount": "5"}),
    ):
        assert (await http.post(f"{path}{where}", json=said)).status_code == 201
    told = [(one.lead_id, one.version) for one in await pipeline.published()]
    assert await differences(pipeline.database, told) == []
    pipeline.rows_are_told = False
    async with pipeline.database.transaction() as tx:
        await tx.execute(BENT[table], {})
    found = await differences(pipeline.database, told)
    assert any(one.startswith(f"{table} ") for one in found), found
    async with pipeline.database.transaction() as tx:
        await tx.execute("UPDATE pipeline.leads SET version = (SELECT count(*) FROM pipeline.history)", {})
