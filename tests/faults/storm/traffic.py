"""What comes in: people who are captured in many ways, and people and systems who work on them meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.identity import external_identity, lead_id_from
from shared.kit.database import Database
from tests.unit.pipeline.builders import a_lead, an_interaction, at, identities

SENDER = "import"
BUSY = 6
"""Half of all commands are about so few leads or deals, so that they meet there."""
CHANNELS = ("phone", "chat", "web_form")
LEAD_COMMANDS: dict[str, dict[str, Any]] = {
    "assign": {"owner": "kim"},
    "qualify": {},
    "archive": {"reason": "no need"},
    "reopen": {},
    "unmerge": {},
    "merge": {},
}
DEAL_COMMANDS: dict[str, dict[str, Any]] = {
    "move": {"stage": "proposal"},
    "win": {"amount": "5"},
    "lose": {"reason": "price"},
    "reopen": {},
    "change-amount": {"amount": "7"},
}
HISTORY = (
    "lead_created", "assigned", "qualified", "archived", "reopened", "opportunity_opened", "stage_changed", "won", "lost",
    "interaction",
)  # fmt: skip
ASKED = [*LEAD_COMMANDS, "open", "open", "deal", "deal", "deal", "history", "history"]

Captured = LeadCaptured | InteractionRecorded


def captured(chance: random.Random, people: int) -> list[Captured]:
    """Everybody several times, by some of the ways they can be known, in no order; one in ten twice, one in twenty with
    its event id on somebody else as well, one in twelve with a phone number that may be another's."""
    events: list[Captured] = []
    for person in range(people):
        email, phone, visitor = f"p{person}@x.example", f"+31612{person:06}", f"v{person}"
        for _ in range(chance.randint(1, 5)):
            shared = chance.random() < 0.08
            lead = _lead(
                chance,
                email=email if chance.random() < 0.7 else None,
                phone=f"+31612{chance.randrange(people):06}" if shared else phone if chance.random() < 0.6 else None,
                external=external_identity(SENDER, f"c{person}") if chance.random() < 0.2 else None,
                visitor=visitor if chance.random() < 0.5 else None,
            )
            events.append(lead)
            if chance.random() < 0.1:
                events.append(lead)
            if chance.random() < 0.05:
                events.append(a_lead(f"other{person}@x.example", event_id=lead.event_id, source="other"))
        for _ in range(chance.randint(0, 4)):
            known_by = chance.choice([(email, None, None), (None, phone, None), (None, None, visitor)])
            kind = chance.choice(["demo_request", "page_view", "meeting"])
            events.append(an_interaction(*known_by, kind, event_id=_id(chance), occurred_at=_moment(chance, 50_000)))
    chance.shuffle(events)
    return events


def _lead(
    chance: random.Random, *, email: str | None, phone: str | None, external: str | None, visitor: str | None
) -> LeadCaptured:
    event_id = _id(chance)
    who = identities(email=email, phone=phone, external=external, visitor=visitor)
    return a_lead(
        email,
        phone,
        event_id=event_id,
        lead_id=lead_id_from(who, event_id),
        identities=who,
        occurred_at=_moment(chance, 50_000),
        channel=chance.choice(CHANNELS),
        source=chance.choice([None, "ads", "mail"]),
        company="x",
        job_title="director",
    )


def _id(chance: random.Random) -> UUID:
    return UUID(int=chance.getrandbits(128), version=4)


def _moment(chance: random.Random, minutes: int) -> datetime:
    return at(chance.randint(0, minutes))


class Clerk:
    """Gives commands and imports histories, one after another, about whoever there is."""

    def __init__(
        self, http: httpx.AsyncClient, database: Database, chance: random.Random, people: int, seen: Counter[str]
    ) -> None:
        self._http = http
        self._database = database
        self._chance = chance
        self._people = people
        self._seen = seen

    async def work(self, requests: int) -> None:
        """So many requests. Whether one is granted or refused depends on who came first; an error of the server is one."""
        for _ in range(requests):
            what = self._chance.choice(ASKED)
            answer = await self._ask(what)
            if answer is not None:
                self._seen[f"{what} {answer.status_code}"] += 1
                assert answer.status_code < 500 or answer.status_code == 503, f"{what}: {answer.text}"
            await asyncio.sleep(self._chance.random() * 0.01)

    async def _ask(self, what: str) -> httpx.Response | None:
        if what == "history":
            return await self._http.post("/v1/history:batch", json={"sender": SENDER, "rows": self._history()})
        at_once = self._chance.random() < 0.7
        when = {} if at_once else {"occurred_at": _moment(self._chance, 60_000).isoformat()}
        if what == "deal":
            deal = await self._one_of("SELECT opportunity_id AS id FROM pipeline.opportunities ORDER BY 1")
            command, body = self._chance.choice(list(DEAL_COMMANDS.items()))
            return await self._post(deal and f"/v1/opportunities/{deal}:{command}", {**body, **when})
        merged = "<>" if what == "unmerge" else "="
        lead = await self._one_of(f"SELECT lead_id AS id FROM pipeline.leads WHERE root_id {merged} lead_id ORDER BY 1")
        if what == "open":
            name = f"o{self._chance.randrange(self._people * 3)}"
            return await self._post(
                lead and f"/v1/leads/{lead}/opportunities", {"opportunity_id": name, "amount": "3", **when}
            )
        if what == "merge":
            other = await self._one_of("SELECT lead_id AS id FROM pipeline.leads ORDER BY 1")
            when = {"other_lead_id": other or str(lead), **when}
        return await self._post(lead and f"/v1/leads/{lead}:{what}", {**LEAD_COMMANDS[what], **when})

    async def _post(self, path: str | None, body: dict[str, Any]) -> httpx.Response | None:
        return await self._http.post(path, json=body) if path else None

    async def _one_of(self, sql: str) -> str | None:
        rows = await self._database.rows(sql)
        crowd = rows[:BUSY] if self._chance.random() < 0.5 else rows
        return str(self._chance.choice(crowd).id) if rows else None

    def _history(self) -> list[dict[str, Any]]:
        """A few rows about one person, whose deal is now and then another's."""
        person = f"c{self._chance.randrange(self._people)}"
        return [
            {
                "external_id": person,
                "event": self._chance.choice(HISTORY),
                "occurred_at": _moment(self._chance, 60_000).isoformat(),
                "owner": "lee",
                "stage": self._chance.choice("abc"),
                "reason": "x",
                "opportunity_id": f"h{self._chance.randrange(self._people)}"
                if self._chance.random() < 0.2
                else f"{person}-deal",
                "amount": self._chance.randint(1, 99),
            }
            for _ in range(self._chance.randint(1, 6))
        ]
