"""A million leads, each with two open timers, and 200,000 opportunities: how long lists, searches and queues take, and how late
timers fire while leads arrive. The only part that is no part of the whole run, since it needs some minutes and gigabytes: `ONLY=million`."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psutil
import yaml
from confluent_kafka import Producer

from services.pipeline.api.cursors import cursor_of, place_after
from shared.contracts.capture_events import LeadCaptured
from shared.contracts.topics import CAPTURE_LEADS, SCORING_SCORES
from tests.load import crowd
from tests.load.arithmetic import percentile
from tests.load.findings import Finding
from tests.load.run import Run
from tests.load.stage import Stage, running_stage
from tests.load.traffic import bearer
from tests.support.services import API_TOKEN, RunningServices

PEOPLE, QUICK_PEOPLE = 2_000, 200
SIZE, QUICK_SIZE = 1_000_000, 20_000
REPEATS = 40
TARGET_MS = 50
RATE, SECONDS = 1_000, 60
TIMERS_A_SECOND = 200
LATE_SECONDS = 2
QUALIFIED_EVERY = 10

Question = Callable[[random.Random], tuple[str, Mapping[str, Any]]]


def million(run: Run) -> list[Finding]:
    """Grows the tables, asks, then lets leads arrive and timers fall due."""
    people, size = (QUICK_PEOPLE, QUICK_SIZE) if run.quick else (PEOPLE, SIZE)
    with running_stage(run) as stage:
        policy = stage.folder / "policy.yaml"
        policy.write_text(yaml.safe_dump(crowd.POLICY, allow_unicode=True))
        services = stage.configured(LEADFLOW_POLICY_FILE=str(policy))
        _written_by_the_service(stage, services, people)
        _sold_to(services, people)
        began = time.monotonic()
        services.stop("pipeline")
        leads = crowd.grow(stage.database_url, size // people)
        timers = stage.scalar("SELECT count(*) FROM pipeline.tasks WHERE fires_at IS NOT NULL")
        deals = stage.scalar("SELECT count(*) FROM pipeline.opportunities")
        run.say(
            f"{leads:,} leads, {timers:,.0f} open timers and {deals:,.0f} opportunities made in "
            f"{time.monotonic() - began:.0f} s"
        )
        services.start("pipeline")
        services.wait_until_ready("pipeline")
        took = _asked(services, questions(people, size // people), run)
        late, kept_up = _timers(stage, services, run, 10 * people)
    load = f"{psutil.getloadavg()[0]:.1f}"
    about = f"{leads:,} leads, {timers:,.0f} timers, {deals:,.0f} opportunities"
    return [*_lines(took, about), *_timer_lines(late, kept_up, about, load)]


def _written_by_the_service(stage: Stage, services: RunningServices, people: int) -> None:
    """Pipeline takes in the first people, gives them out and begins what is due for them."""
    producer = Producer({"bootstrap.servers": stage.bootstrap, "acks": "all", "linger.ms": 5})
    told = 0
    for event in crowd.base(people):
        topic = CAPTURE_LEADS if isinstance(event, LeadCaptured) else SCORING_SCORES
        producer.produce(topic.name, event.to_json(), str(event.lead_id))
        told += 1
        producer.poll(0)
    producer.flush(30)
    services.start("pipeline")
    services.wait_until_ready("pipeline")
    _until(
        lambda: (
            stage.scalar("SELECT sum(next_offset) FROM pipeline.consumer_offsets") >= told
            and not stage.scalar("SELECT count(*) FROM pipeline.outbox")
            + stage.scalar("SELECT count(*) FROM pipeline.waiting")
        ),
        services,
    )


def _sold_to(services: RunningServices, people: int) -> None:
    """Those who buy have deals, some of which are won and some lost. Raises `httpx.HTTPStatusError` where one is refused."""
    with httpx.Client(
        base_url=services.url("pipeline"), headers=bearer(API_TOKEN), timeout=60, trust_env=False
    ) as client:
        for number in crowd.buyers(people):
            for place in range(crowd.DEALS_EACH):
                name, stage = f"deal {number}.{place}", crowd.STAGES[(number + place) % len(crowd.STAGES)]
                said = {"opportunity_id": name, "stage": stage, "amount": "100", "product": f"product {place}"}
                client.post(f"/v1/leads/{crowd.some_lead(number)}/opportunities", json=said).raise_for_status()
                if place == 0:
                    client.post(f"/v1/opportunities/{name}:win").raise_for_status()
                elif place == 1:
                    client.post(f"/v1/opportunities/{name}:lose", json={"reason": "price"}).raise_for_status()


def _until(true: Callable[[], bool], services: RunningServices, *, within_seconds: float = 120) -> None:
    give_up_at = time.monotonic() + within_seconds
    while not true():
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"pipeline does not come to an end:\n{services.log('pipeline')[-2000:]}")
        time.sleep(0.2)


def questions(people: int, copies: int) -> dict[str, Question]:
    """What is asked, each time about somebody else."""

    def listed(**filters: Any) -> Question:
        return lambda _: ("/v1/leads", filters)

    def somewhere(pick: random.Random) -> tuple[str, Mapping[str, Any]]:
        at = datetime.now(UTC) - timedelta(hours=pick.randrange(crowd.HOURS_APART * copies))
        return "/v1/leads", {"cursor": cursor_of(at, crowd.some_lead(0))}

    def some_deals(pick: random.Random) -> tuple[str, Mapping[str, Any]]:
        at = datetime.now(UTC) - timedelta(hours=pick.randrange(crowd.HOURS_APART * copies))
        return "/v1/opportunities", {"cursor": place_after(at.isoformat(), "", "")}

    def deals(filters: Callable[[random.Random], Mapping[str, Any]]) -> Question:
        return lambda pick: ("/v1/opportunities", filters(pick))

    def days_ago(pick: random.Random) -> str:
        return (datetime.now(UTC) - timedelta(days=pick.randrange(300))).isoformat()

    def searched(text: Callable[[random.Random, LeadCaptured], str]) -> Question:
        def ask(pick: random.Random) -> tuple[str, Mapping[str, Any]]:
            lead = crowd.captured(pick.randrange(people), datetime.now(UTC))
            return "/v1/search", {"q": text(pick, lead), "sender": "crm"}

        return ask

    def known(lead: LeadCaptured) -> Any:
        assert lead.personal is not None, "everybody of the crowd has a name"
        return lead.personal

    def owner(pick: random.Random) -> str:
        return f"owner {pick.randrange(crowd.OWNERS)}"

    return {
        "list": listed(),
        "list, a page somewhere": somewhere,
        "list, by unit": lambda pick: ("/v1/leads", {"business_unit": pick.choice(crowd.UNITS)}),
        "list, by status": lambda pick: ("/v1/leads", {"status": pick.choice(("new", "qualified", "archived", "customer"))}),
        "list, by unit and status": lambda pick: ("/v1/leads", {"business_unit": "north", "status": pick.choice(("new", "archived"))}),
        "list, by mark": lambda pick: ("/v1/leads", {"mark": pick.choice(("test", "spam", "any", "none"))}),
        "list, contradicted": listed(contradicted=True),
        "list, by owner": lambda pick: ("/v1/leads", {"owner": owner(pick)}),
        "list, by owner, unit and status": lambda pick: ("/v1/leads", {"owner": owner(pick), "business_unit": "north", "status": "qualified"}),
        "list, by grade": lambda pick: ("/v1/leads", {"grade": pick.choice("ABC")}),
        "list, by channel and status": lambda pick: ("/v1/leads", {"channel": "event", "status": "qualified"}),
        "list, by a campaign of nobody": listed(campaign="nowhere"),
        "list, by a source of nobody": listed(source="nowhere"),
        "list, since": lambda pick: ("/v1/leads", {"created_since": days_ago(pick)}),
        "list, changed since": lambda pick: ("/v1/leads", {"updated_since": (datetime.now(UTC) - timedelta(minutes=5)).isoformat()}),
        "list, by e-mail": lambda pick: ("/v1/leads", {"business_unit": "europe", "email": f"person.{pick.randrange(people)}@company1.example"}),
        "opportunities": deals(lambda _: {}),
        "opportunities, a page somewhere": some_deals,
        "opportunities, since": deals(lambda pick: {"opened_since": days_ago(pick)}),
        "opportunities, by unit": deals(lambda pick: {"business_unit": pick.choice(crowd.UNITS)}),
        "opportunities, by state": deals(lambda pick: {"status": pick.choice(("open", "won", "lost"))}),
        "opportunities, by stage and unit": deals(lambda pick: {"stage": pick.choice(crowd.STAGES), "status": "open", "business_unit": "north"}),
        "opportunities, by owner": deals(lambda pick: {"owner": owner(pick)}),
        "opportunities, by owner and state": deals(lambda pick: {"owner": owner(pick), "status": "open"}),
        "opportunities, won since": deals(lambda pick: {"status": "won", "closed_since": days_ago(pick)}),
        "opportunities, by a product and unit": deals(lambda pick: {"product": f"product {pick.randrange(crowd.DEALS_EACH)}", "business_unit": "europe"}),
        "opportunities, by a product of nobody": deals(lambda _: {"product": "nothing"}),
        "opportunities, by a lead": deals(lambda pick: {"lead_id": crowd.some_lead(pick.choice(crowd.buyers(people)))}),
        "search, a whole name": searched(lambda pick, lead: f"{known(lead).name} q{pick.randrange(1, copies)}"),
        "search, a name of many": searched(lambda pick, lead: str(known(lead).name)),
        "search, one frequent word": searched(lambda pick, lead: str(known(lead).name).split()[0]),
        "search, a beginning": searched(lambda pick, lead: str(known(lead).name)[:-2]),
        "search, a company": searched(lambda pick, lead: str(lead.company)),
        "search, e-mail": searched(lambda pick, lead: str(known(lead).email)),
        "search, phone": searched(lambda pick, lead: f"+31 612 {pick.randrange(people) // 3 * 3:06d}"),
        "search, lead id": searched(lambda pick, lead: str(lead.lead_id)[:8]),
        "search, a sender's id": searched(lambda pick, lead: str(pick.randrange(people))),
        "search, nobody": searched(lambda pick, lead: f"zzz{pick.randrange(10**6)} {known(lead).name}"),
        "queue": lambda pick: ("/v1/queue", {"owner": owner(pick)}),
        "queue, of one unit": lambda pick: ("/v1/queue", {"owner": owner(pick), "business_unit": "europe"}),
        "tasks": lambda _: ("/v1/tasks", {}),
        "tasks of an owner": lambda pick: ("/v1/tasks", {"owner": owner(pick)}),
        "tasks of a unit": lambda pick: ("/v1/tasks", {"business_unit": pick.choice(crowd.UNITS)}),
        "tasks of a unit and kind": lambda pick: ("/v1/tasks", {"business_unit": "south", "kind": pick.choice(("step", "escalation"))}),
        "tasks that are done": lambda pick: ("/v1/tasks", {"owner": owner(pick), "status": "done"}),
        "a lead": lambda pick: (f"/v1/leads/{crowd.some_lead(pick.randrange(people))}", {}),
        "a lead's history": lambda pick: (f"/v1/leads/{crowd.some_lead(pick.randrange(people))}/history", {}),
    }  # fmt: skip


def _asked(services: RunningServices, asked: Mapping[str, Question], run: Run) -> dict[str, list[float]]:
    """Milliseconds of each answer, over HTTP. Raises `RuntimeError` at any that is refused."""
    took: dict[str, list[float]] = {}
    with httpx.Client(headers=bearer(API_TOKEN), timeout=60, trust_env=False) as client:
        for name, question in asked.items():
            pick = random.Random(name)
            took[name] = []
            for _ in range(1 + REPEATS):
                path, parameters = question(pick)
                began = time.perf_counter()
                answer = client.get(services.url("pipeline") + path, params=dict(parameters))
                took[name].append((time.perf_counter() - began) * 1e3)
                if answer.status_code != 200:
                    raise RuntimeError(f"{name} answered {answer.status_code}: {answer.text[:300]}")
            took[name] = took[name][1:]
            run.say(f"{name}: p50 {percentile(took[name], 0.5):,.1f} ms, p95 {percentile(took[name], 0.95):,.1f} ms")
    return took


def _timers(stage: Stage, services: RunningServices, run: Run, first: int) -> tuple[list[float], float]:
    """How late timers fire, in seconds, while leads arrive; and how many events were left when the last had come."""
    seconds = 15 if run.quick else SECONDS
    begins = datetime.now(UTC) + timedelta(seconds=15)
    due = crowd.fall_due(stage.database_url, begins, TIMERS_A_SECOND, seconds)
    if datetime.now(UTC) > begins:
        run.say("the first timers were late before they were there: the machine is too busy to say anything")
    run.say(f"{due:,} timers fall due in {seconds} s, and {RATE:,} leads/s arrive")
    time.sleep(max(0.0, (begins - datetime.now(UTC)).total_seconds()))
    before = stage.scalar("SELECT sum(next_offset) FROM pipeline.consumer_offsets")
    told = [0]
    arriving = threading.Thread(target=_arrive, args=(stage, first, seconds, told))
    arriving.start()
    arriving.join()
    left = told[0] - (stage.scalar("SELECT sum(next_offset) FROM pipeline.consumer_offsets") - before)
    missed = "FROM pipeline.history WHERE event = 'FollowUpMissed' AND recorded_at >= "
    since = f"'{begins.isoformat()}'"
    _until(lambda: stage.scalar(f"SELECT count(*) {missed}{since}") >= due, services)
    late = stage.column(f"SELECT extract(epoch FROM recorded_at - occurred_at) {missed}{since}")
    run.say(f"p99 {percentile(late, 0.99):.2f} s late; {left:,.0f} of {told[0]:,} events left at the end")
    return late, left


def _arrive(stage: Stage, first: int, seconds: int, told: list[int]) -> None:
    """Leads and their scores come at a rate, ten portions a second."""
    producer = Producer({"bootstrap.servers": stage.bootstrap, "acks": "all", "linger.ms": 5})
    began, number = time.perf_counter(), first
    for portion in range(seconds * 10):
        time.sleep(max(0.0, began + portion / 10 - time.perf_counter()))
        for _ in range(RATE // 10):
            lead = crowd.captured(number, datetime.now(UTC))
            score = crowd.scored(lead, 50 if number % QUALIFIED_EVERY == 0 else 20)
            producer.produce(CAPTURE_LEADS.name, lead.to_json(), str(lead.lead_id))
            producer.produce(SCORING_SCORES.name, score.to_json(), str(lead.lead_id))
            number += 1
        producer.poll(0)
    producer.flush(30)
    told[0] = 2 * (number - first)


def _lines(took: Mapping[str, Sequence[float]], about: str) -> list[Finding]:
    return [
        Finding(
            "million", f"{name}, p95, {about}", percentile(times, 0.95), "ms", target=TARGET_MS, of_ratio=False, less_is_better=True,
            detail={"p50 ms": percentile(times, 0.5)},
        )
        for name, times in took.items()
    ]  # fmt: skip


def _timer_lines(late: Sequence[float], left: float, about: str, load: str) -> list[Finding]:
    detail = {"p50 s": percentile(late, 0.5), "timers": len(late), "events left at the end": left, "load": load}
    return [
        Finding(
            "million", f"due timers fire late by, p99, {RATE:,} leads/s arriving, {about}", percentile(late, 0.99), "s",
            target=LATE_SECONDS, of_ratio=False, less_is_better=True, detail=detail,
        )
    ]  # fmt: skip
