"""Six months of selling, made from a seed: what is posted, what leads do, what sales people do. Pure.

A lead's story depends on the seed and its number alone, so that more leads change none of the others, and every time in
it is an offset to the end of the six months, so that the same seed gives the same story whenever it is played.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from shared.cli.demo.people import Person, a_person, as_typed

SENDER = "demo"
SPAN = timedelta(days=182)
STAGES = ("discovery", "proposal", "negotiation", "contract")


@dataclass(frozen=True, slots=True)
class Channel:
    """How many leads come this way, how good they are, and where they come from."""

    name: str
    share: float
    quality: float
    sources: tuple[str, ...]
    campaigns: tuple[str, ...]


CHANNELS = (
    Channel("web_form", 0.32, 0.24, ("google", "direct", "newsletter"), ("spring", "always-on")),
    Channel("paid_search", 0.26, 0.15, ("google", "bing"), ("brand", "competitor", "generic")),
    Channel("event", 0.16, 0.29, ("trade-fair", "webinar"), ("expo", "roadshow")),
    Channel("phone", 0.14, 0.32, ("call-centre",), ("outbound-q2", "hotline")),
    Channel("referral", 0.12, 0.52, ("customer", "partner"), ("friends",)),
)
UNITS = ("europe", "tehran")
OWNERS = {
    "europe": (("Anna de Wit", "Benelux"), ("Tom Peeters", "Benelux"), ("Mia Larsen", "North"), ("Erik Lind", "North")),
    "tehran": (("Leila Farhadi", "Tehran"), ("Omid Azari", "Tehran"), ("Nima Rahimi", "Isfahan")),
}
CURRENCIES = {"europe": ("EUR", 1), "tehran": ("IRR", 620_000)}
PRODUCTS = ("Starter", "Team", "Enterprise")
PRICES = {"Starter": 1_800, "Team": 9_500, "Enterprise": 42_000}
INTERACTIONS = (
    "page_view",
    "page_view",
    "email_click",
    "download",
    "webinar_attended",
    "email_reply",
    "demo_request",
    "meeting",
)
LOSSES = ("price", "price", "timing", "competitor", "no decision", "no decision", "product gap")
ARCHIVES = ("no budget", "no need", "no need", "not reachable", "not reachable", "wrong contact", "competitor")


@dataclass(frozen=True, slots=True)
class Work:
    """One command of a sales person. `opportunity` is None for a command on the lead."""

    at: datetime
    command: str
    body: dict[str, Any]
    key: str
    opportunity: str | None = None


@dataclass(slots=True)
class Story:
    """Everything about one lead: posts in the order they are sent, interactions, and work in the order it is done."""

    number: int
    business_unit: str
    posts: list[dict[str, Any]] = field(default_factory=list)
    interactions: list[dict[str, Any]] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)


def stories(seed: int, count: int, ends_at: datetime) -> Iterator[Story]:
    """`count` stories, none of which goes beyond `ends_at`."""
    for number in range(count):
        yield _Teller(Random(f"{seed}/{number}"), seed, number, ends_at).story()


class _Teller:
    def __init__(self, rng: Random, seed: int, number: int, ends_at: datetime) -> None:
        self._rng = rng
        self._name = f"demo-{seed}-{number}"
        self._number = number
        self._ends_at = ends_at
        self._unit = "tehran" if rng.random() < 0.35 else "europe"
        self._channel = rng.choices(CHANNELS, [channel.share for channel in CHANNELS])[0]
        self._product = rng.choices(PRODUCTS, (5, 3, 1))[0]
        self._person = a_person(rng, self._unit, (seed % 100) * 50_000 + number)
        self._story = Story(number, self._unit)
        self._over = False

    def story(self) -> Story:
        created = self._ends_at - SPAN * self._rng.random()
        promising = self._rng.random() < self._channel.quality
        worked = promising or self._rng.random() < 0.16
        decided = created + self._days(7 if promising else 12) + timedelta(hours=2)
        identity = self._post(created)
        self._interact(identity, created, decided, promising)
        if worked:
            self._work(created, decided, promising)
        elif self._rng.random() < 0.2:
            reason = self._rng.choices(("spam", "duplicate", "other"), (6, 2, 1))[0]
            self._archive(decided, reason)
        return self._story

    def _post(self, created: datetime) -> dict[str, Any]:
        """The lead's posts; answers with the identity its interactions come under."""
        rng, person = self._rng, self._person
        lead: dict[str, Any] = {
            "business_unit": self._unit,
            "channel": self._channel.name,
            "source": rng.choice(self._channel.sources),
            "campaign": rng.choice(self._channel.campaigns),
            "product": self._product,
            "name": person.name,
            "consent": rng.random() < 0.7,
            "occurred_at": created.isoformat(),
            "record_id": self._name,
        }
        if rng.random() < 0.6:
            lead |= {"company": person.company, "job_title": person.job_title}
            lead["attributes"] = {"employees": rng.choice((4, 12, 40, 150, 400, 2_500))}
        way = rng.random()
        if way < 0.07:  # first by telephone, later by e-mail: one person
            return self._known_by_phone_first(lead, created, person)
        if way < 0.55:
            lead |= {"email": person.email, "phone": as_typed(rng, self._unit, person.phone)}
        elif way < 0.85:
            lead["email"] = person.email
        else:
            lead["phone"] = as_typed(rng, self._unit, person.phone)
        if rng.random() < 0.1:
            lead["visitor_id"] = f"visitor-{self._name}"
            self._add_interaction({"visitor_id": lead["visitor_id"]}, "page_view", created - self._days(1), "before")
        self._story.posts.append(lead)
        if rng.random() < 0.05:  # the form was sent twice
            self._story.posts.append(lead)
        return {"email": person.email} if "email" in lead else {"phone": person.phone}

    def _known_by_phone_first(self, lead: dict[str, Any], created: datetime, person: Person) -> dict[str, Any]:
        lead["phone"] = as_typed(self._rng, self._unit, person.phone)
        again = lead | {"email": person.email, "phone": person.phone, "record_id": f"{self._name}-again"}
        again["occurred_at"] = (created + timedelta(minutes=20)).isoformat()
        self._story.posts += [lead, again]
        return {"phone": person.phone}

    def _interact(self, identity: dict[str, Any], created: datetime, decided: datetime, promising: bool) -> None:
        count = self._rng.choices(range(6), (1, 2, 3, 3, 2, 2) if promising else (5, 4, 2, 1, 0, 0))[0]
        for number in range(count):
            at = created + (decided - created) * (0.05 + 0.9 * self._rng.random())
            self._add_interaction(identity, self._rng.choice(INTERACTIONS), at, str(number))

    def _add_interaction(self, identity: dict[str, Any], kind: str, at: datetime, suffix: str) -> None:
        if at > self._ends_at:
            return
        interaction = {
            "business_unit": self._unit,
            "kind": kind,
            "channel": "email" if kind.startswith("email") else "web_form",
            "occurred_at": at.isoformat(),
            "record_id": f"{self._name}-touch-{suffix}",
            **identity,
        }
        self._story.interactions.append(interaction)

    def _work(self, created: datetime, decided: datetime, promising: bool) -> None:
        rng = self._rng
        owner, team = rng.choice(OWNERS[self._unit])
        at = created + timedelta(hours=min(rng.expovariate(1 / 4), 40))
        at = min(at, decided - timedelta(minutes=40))
        self._do(at, "assign", {"owner": owner, "team": team})
        if rng.random() < 0.45:
            at = at + (decided - at) * 0.4
            outcome = "reached" if promising or rng.random() < 0.4 else "no answer"
            kind = rng.choice(("call", "call", "email"))
            self._do(at, "record-contact", {"kind": kind, "outcome": outcome, "human": True, "outbound": True})
        if promising:
            self._qualified(decided)
        else:
            self._archive(decided, rng.choice(ARCHIVES))
            if rng.random() < 0.05:
                back = decided + self._days(20)
                self._do(back, "reopen", {})
                self._qualified(back + self._days(2))

    def _qualified(self, at: datetime) -> None:
        self._do(at, "qualify", {})
        fate = self._rng.random()
        if fate < 0.74:
            self._sell(at + self._days(5))
        elif fate < 0.86:
            self._archive(at + self._days(14), self._rng.choice(ARCHIVES))

    def _sell(self, opened: datetime) -> None:
        rng = self._rng
        currency, rate = CURRENCIES[self._unit]
        amount = round(PRICES[self._product] * rng.lognormvariate(0, 0.35), -1)
        name = f"{self._name}-deal"
        path = [stage for stage in STAGES[1:] if rng.random() > 0.16]
        first = STAGES[0] if rng.random() < 0.9 else STAGES[1]
        expected = opened + timedelta(days=45)
        terms = {"opportunity_id": name, "stage": first, "currency": currency, "product": self._product}
        body = {**terms, "amount": f"{amount * rate:.0f}", "expected_close": expected.isoformat()}
        self._do(opened, "opportunities", body)
        at = opened
        for stage in path:
            if stage == first:
                continue
            at += self._days(11 if stage == "contract" else 8)
            if rng.random() < 0.19:
                self._do(at, "lose", {"reason": rng.choice(LOSSES)}, opportunity=name)
                return
            self._do(at, "move", {"stage": stage}, stage, opportunity=name)
            if stage == "negotiation" and rng.random() < 0.4:
                amount = round(amount * rng.uniform(0.75, 1.05), -1)
                changed = {"amount": f"{amount * rate:.0f}", "currency": currency}
                self._do(at + timedelta(hours=5), "change-amount", changed, opportunity=name)
        at += self._days(6)
        if rng.random() < 0.78:
            self._do(at, "win", {}, opportunity=name)
        else:
            self._do(at, "lose", {"reason": rng.choice(LOSSES)}, opportunity=name)

    def _archive(self, at: datetime, reason: str) -> None:
        note = {"note": "asked for something we do not sell"} if reason == "other" else {}
        self._do(at, "archive", {"reason": reason, **note})

    def _do(
        self, at: datetime, command: str, body: dict[str, Any], part: str = "", opportunity: str | None = None
    ) -> None:
        """Adds a command, unless it or something before it lies beyond the end."""
        self._over = self._over or at > self._ends_at
        if self._over:
            return
        key = "-".join(filter(None, (self._name, command, part, str(len(self._story.work)))))
        self._story.work.append(Work(at, command, {**body, "occurred_at": at.isoformat()}, key, opportunity))

    def _days(self, mean: float) -> timedelta:
        """A skewed time span of about `mean` days, never shorter than an hour and a half."""
        return timedelta(days=max(mean * self._rng.lognormvariate(-0.3, 0.75), 0.0625))
