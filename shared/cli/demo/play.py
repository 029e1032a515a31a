"""Plays the simulated six months through the public HTTP API, as a sender and as sales people would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.cli.demo.world import SENDER, Story, Work
from shared.cli.http import RETRIED, CommandFailed, Refused, ServiceClient, problem_of, problem_text

BATCH = 500
SALES_PEOPLE = 12
FOLD_WITHIN_SECONDS = 120.0
ASK_EVERY_SECONDS = 0.25
DONE_ALREADY = frozenset({"illegal-transition", "opportunity-exists"})
"""Refusals that say the world is already as the command wants it: qualified by rule, or played before."""

Advance = Callable[[int], None]


@dataclass(slots=True)
class Played:
    """What came of it. `leads` gives the lead's id by story."""

    leads: dict[int, str] = field(default_factory=dict)
    events: set[str] = field(default_factory=set)
    commands: int = 0
    done_already: int = 0
    refused: list[str] = field(default_factory=list)


async def post_leads(capture: ServiceClient, stories: Sequence[Story], played: Played, advance: Advance) -> None:
    """Every post of every lead, repeated ones among them."""
    posts = [(story.number, post) for story in stories for post in story.posts]
    for items, start in _batches(posts):
        answers = await _post(capture, "/v1/leads:batch", [post for _, post in items])
        for (number, _), answer in zip(items, answers, strict=True):
            played.leads.setdefault(number, answer["lead_id"])
            played.events.add(answer["event_id"])
        advance(start + len(items))


async def post_interactions(capture: ServiceClient, stories: Sequence[Story], played: Played, advance: Advance) -> None:
    """What leads did."""
    interactions = [interaction for story in stories for interaction in story.interactions]
    for items, start in _batches(interactions):
        answers = await _post(capture, "/v1/interactions:batch", items)
        played.events.update(answer["event_id"] for answer in answers)
        advance(start + len(items))


async def do_sales_work(pipeline: ServiceClient, stories: Iterable[Story], played: Played, advance: Advance) -> None:
    """Every command; those on one lead one after the other, several leads at once."""
    waiting = iter([story for story in stories if story.work])

    async def sales_person() -> None:
        for story in waiting:
            status: str | None = None
            for work in story.work:
                status = await _do(pipeline, played, played.leads[story.number], story, work, status)
                played.commands += 1
                advance(played.commands)

    await asyncio.gather(*(sales_person() for _ in range(SALES_PEOPLE)))


async def until_facts(service: ServiceClient, events: Iterable[str], advance: Advance) -> None:
    """Waits until a service has made facts of captured events, or has put them where they wait for their lead."""
    left = sorted(events)
    total = len(left)
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + FOLD_WITHIN_SECONDS
    while True:
        unknown: list[str] = []
        for items, _ in _batches(left, 5_000):
            answer = await service.post("/v1/audit/captured", {"ids": items})
            unknown += answer["unknown"]
        advance(total - len(unknown))
        if not unknown:
            return
        if loop.time() > give_up_at:
            raise CommandFailed(
                f"{service.name} has not taken {len(unknown)} events within {FOLD_WITHIN_SECONDS:.0f} s.",
                f"Look at {service.url}/readyz and at `leadflow dead-letters list`.",
            )
        left = unknown
        await asyncio.sleep(ASK_EVERY_SECONDS)


async def until_folded(pipeline: ServiceClient, metrics: ServiceClient) -> None:
    """Waits until metrics has counted everything pipeline has recorded: until two looks show no more movement."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + FOLD_WITHIN_SECONDS
    before: Any = None
    still = 0
    while still < 3:
        now = (await metrics.get("/v1/stats"), await pipeline.get("/v1/stats"))
        still = still + 1 if now == before else 0
        before = now
        if loop.time() > give_up_at:
            raise CommandFailed("The services do not come to rest.", "Is something else writing to them?")
        await asyncio.sleep(ASK_EVERY_SECONDS)


def _batches(items: Sequence[Any], size: int = BATCH) -> Iterable[tuple[list[Any], int]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size]), start


async def _post(capture: ServiceClient, path: str, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    response = await capture.send("POST", path, content=orjson.dumps(items), headers={"Leadflow-Sender": SENDER})
    document = problem_of(response)
    if not isinstance(document.get("items"), list):
        capture.check(response)
        raise CommandFailed(f"{capture.url} answered a batch with something else.", "Check LEADFLOW_CAPTURE_URL.")
    answers = sorted(document["items"], key=lambda each: int(each["index"]))
    for answer in answers:
        if answer["status"] in RETRIED:
            return await _post(capture, path, items)  # every record has its own id: again is not twice
        if answer["status"] >= 400:
            raise CommandFailed(f"capture refused a simulated record: {problem_text(answer.get('problem') or {})}")
    return answers


async def _do(
    pipeline: ServiceClient, played: Played, lead_id: str, story: Story, work: Work, status: str | None
) -> str | None:
    """Carries out one command; answers with the lead's status where the service tells it."""
    if work.command == "qualify" and status not in (None, "new", "working", "archived"):
        return status  # qualified by rule already
    unit = f"?business_unit={story.business_unit}"
    if work.command == "opportunities":
        path = f"/v1/leads/{lead_id}/opportunities"
    elif work.opportunity is None:
        path = f"/v1/leads/{lead_id}:{work.command}"
    else:
        path = f"/v1/opportunities/{work.opportunity}:{work.command}{unit}"
    try:
        answer = await pipeline.post(path, work.body, headers={"Idempotency-Key": work.key})
    except Refused as refusal:
        code = str(refusal.problem_document.get("type", "")).rpartition(":")[2]
        if code in DONE_ALREADY:
            played.done_already += 1
        else:
            played.refused.append(f"{work.command}: {refusal.problem}")
        return status
    found = answer.get("status") if work.opportunity is None and isinstance(answer, dict) else None
    return found if isinstance(found, str) else status
