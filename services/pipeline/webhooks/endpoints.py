"""Endpoints as their operators change them. Their secrets are made of the deployment's own and of a salt, so that whoever reads
the database has none of them."""

from __future__ import annotations

import hmac
import secrets as randomness
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from services.pipeline.domain.access import Units
from services.pipeline.domain.versions import etag, names
from services.pipeline.domain.webhook_rules import KINDS, MOST, live_salts
from services.pipeline.storage import webhooks
from services.pipeline.storage.webhooks import By
from shared.contracts.standard_webhooks import secret_of
from shared.kit.database import Database, Transaction
from shared.kit.errors import Rejected
from shared.kit.outside import Rules, target_of

BY_HAND = "by hand"

JUST_AFTER = timedelta(microseconds=1)
"""Until what was recorded last, and with it: a replay ends before its end."""


MOST_CHANGES = 50

AS_MADE = 1
"""The version of an endpoint to which nothing was done."""

WHAT_LEAVES = ("url", "events", "personal", "historical")
"""What decides where to and what of is told to others."""


class Asked(NamedTuple):
    """By whom a change is asked for, and on which version it was decided."""

    by: By
    if_match: str | None = None


class Secrets:
    """The secrets that endpoints' deliveries are signed with."""

    def __init__(self, deployment_secret: bytes) -> None:
        self._key = hmac.digest(deployment_secret, b"leadflow-webhooks-1", "sha256")

    def of(self, endpoint_id: UUID, salt: str) -> str:
        """A secret as its receiver was shown it."""
        return secret_of(hmac.digest(self._key, endpoint_id.bytes + bytes.fromhex(salt), "sha256"))

    def live(self, endpoint: Any, now: datetime) -> list[str]:
        """All that sign an endpoint's deliveries now, the newest first."""
        return [self.of(endpoint.endpoint_id, salt) for salt in live_salts(endpoint.secrets, now)]


class Endpoints:
    """What operators do with endpoints. Everything raises `Rejected` where it cannot be done."""

    def __init__(self, database: Database, secrets: Secrets, rules: Rules) -> None:
        self._database = database
        self._secrets = secrets
        self._rules = rules

    async def create(
        self, said: Mapping[str, Any], wanted_id: UUID, by: By, *, formerly: UUID | None = None
    ) -> tuple[dict[str, Any], bool]:
        """A new endpoint with its secret, and whether it is new. Asked for again under its id it is the same one, and its secret is
        told again only until something is done to it: then that may be another one. `formerly` is the id that the same asking gave
        when ids were made otherwise."""
        self._check(said)

        async def work(transaction: Transaction) -> tuple[Any, bool]:
            unit = str(said["business_unit"])
            is_known = formerly is not None and await webhooks.was_made(transaction, formerly)
            endpoint_id = formerly if formerly is not None and is_known else wanted_id
            endpoint = {**said, "endpoint_id": endpoint_id, "secrets": [{"salt": randomness.token_hex(16)}]}
            if await webhooks.number_of(transaction, unit) >= MOST and not await webhooks.one(transaction, endpoint_id):
                raise Rejected(
                    f"{unit[:100]!r} has {MOST} webhooks, and may have no more.",
                    status=409,
                    code="too-many-webhooks",
                    field="business_unit",
                    fix="Remove one that nobody needs, or let one receiver pass on what it hears.",
                )
            fresh = await webhooks.add(transaction, endpoint, by)
            return await webhooks.one(transaction, endpoint_id, held=True), fresh

        row, fresh = await self._database.run(work)
        if row is None or (not fresh and any(getattr(row, name) != value for name, value in said.items())):
            raise Rejected(
                "This Idempotency-Key was used for another endpoint, or for one that was changed or removed since.",
                status=409,
                code="idempotency-key-reused",
                field="Idempotency-Key",
                fix="Send a key of its own with each endpoint.",
            )
        if not fresh and row.version > AS_MADE:
            return _shown(row), False
        return {**_shown(row), "secret": self._secrets.live(row, self._database.clock.now())[0]}, fresh

    async def listing(self, units: Units) -> list[dict[str, Any]]:
        """Every endpoint, with how much waits for it."""
        rows = await webhooks.listing(self._database, units)
        counts = await webhooks.counts(self._database, [row.endpoint_id for row in rows]) if rows else {}
        return [{**_shown(row), **counts[row.endpoint_id]} for row in rows]

    async def one(self, endpoint_id: UUID) -> dict[str, Any]:
        """An endpoint, with how much waits for it."""
        row = await webhooks.one(self._database, endpoint_id)
        if row is None:
            raise no_such_endpoint()
        return {**_shown(row), **(await webhooks.counts(self._database, [endpoint_id]))[endpoint_id]}

    async def change(self, endpoint_id: UUID, said: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
        """Other words for an endpoint; what waits goes to where it is then. Whoever says where to, or what of, has it go on for
        themselves."""
        self._check(said)

        def changed(row: Any, now: datetime) -> dict[str, Any]:
            leads = any(name in said and getattr(row, name) != said[name] for name in WHAT_LEAVES)
            return {**said, **(_vouching(asked, now) if leads else {})}

        return await self._changed(endpoint_id, "changed " + ", ".join(sorted(said)), asked, changed)

    async def rotate(self, endpoint_id: UUID, overlap: timedelta, asked: Asked) -> dict[str, Any]:
        """A new secret, which goes on for whoever is shown it. The one before it signs as well until the overlap is over, and none
        but these two."""
        salt = randomness.token_hex(16)

        def rotated(row: Any, now: datetime) -> dict[str, Any]:
            before = live_salts(row.secrets, now)[:1]
            kept = [{"salt": one, "expires_at": (now + overlap).isoformat()} for one in before if overlap]
            return {"secrets": [{"salt": salt}, *kept], **_vouching(asked, now)}

        shown = await self._changed(endpoint_id, "rotated", asked, rotated)
        return {**shown, "secret": self._secrets.of(endpoint_id, salt)}

    async def disable(self, endpoint_id: UUID, asked: Asked) -> dict[str, Any]:
        """Nothing is sent any more. What waits keeps waiting; from when on it was passed over is noted."""
        stopped = {"state": "disabled", "disabled_reason": BY_HAND}
        return await self._changed(endpoint_id, "disabled", asked, lambda row, now: stopped)

    async def enable(self, endpoint_id: UUID, asked: Asked, *, catch_up: bool) -> dict[str, Any]:
        """Sends again, and what was missed meanwhile too, unless that is not wanted. It goes on for whoever says so."""

        def enabled(row: Any, now: datetime) -> dict[str, Any]:
            values: dict[str, Any] = {
                "state": "live", "disabled_reason": None, "failures": 0, "failing_since": None, "not_before": None,
                "missed_since": None, "missed_until": None, **_vouching(asked, now),
            }  # fmt: skip
            if catch_up and row.missed_since is not None:
                until = now if row.missed_until is None else row.missed_until + JUST_AFTER
                values |= {
                    "replay_from": _earlier(row.replay_from, row.missed_since),
                    "replay_until": _later(row.replay_until, until),
                }
            return values

        return await self._changed(endpoint_id, "enabled", asked, enabled)

    async def replay(self, endpoint_id: UUID, since: datetime, until: datetime | None, asked: Asked) -> dict[str, Any]:
        """Tells an endpoint again what was recorded from a moment on, under the same ids."""

        def wanted(row: Any, now: datetime) -> dict[str, Any]:
            end = min(until or now, now)
            if since >= end:
                raise Rejected(
                    "since is not before until, or has not come.", field="since", fix="Send an earlier time."
                )
            return {
                "replay_from": _earlier(row.replay_from, since),
                "replay_until": _later(row.replay_until, end),
            }

        return await self._changed(endpoint_id, "replayed", asked, wanted)

    async def revive(self, endpoint_id: UUID, event_ids: list[UUID] | None, asked: Asked) -> int:
        """Lets dead deliveries be tried again; how many there were."""

        async def work(transaction: Transaction) -> int:
            await _matched(transaction, endpoint_id, asked)
            await webhooks.change(transaction, endpoint_id, {}, "revived", asked.by)
            return await webhooks.revive(transaction, endpoint_id, event_ids)

        return await self._database.run(work)

    async def remove(self, endpoint_id: UUID, asked: Asked) -> None:
        """Forgets an endpoint at once, and what waits for it little by little."""

        async def work(transaction: Transaction) -> None:
            await _matched(transaction, endpoint_id, asked)
            await webhooks.change(transaction, endpoint_id, {"state": "removed", "secrets": []}, "removed", asked.by)

        await self._database.run(work)

    async def changes(self, endpoint_id: UUID) -> list[dict[str, Any]]:
        """What was done to an endpoint and by whom, newest first."""
        return await webhooks.changes(self._database, endpoint_id, MOST_CHANGES)

    async def _changed(
        self, endpoint_id: UUID, what: str, asked: Asked, values: Callable[[Any, datetime], Mapping[str, Any]]
    ) -> dict[str, Any]:
        async def work(transaction: Transaction) -> Any:
            row = await _matched(transaction, endpoint_id, asked)
            await webhooks.change(transaction, endpoint_id, values(row, transaction.now), what, asked.by)
            return await _held(transaction, endpoint_id)

        return _shown(await self._database.run(work))

    def _check(self, said: Mapping[str, Any]) -> None:
        for event in said.get("events", ()):
            if event not in KINDS:
                raise Rejected(
                    f"{event[:100]!r} is no event.",
                    code="unknown-event",
                    field="events",
                    fix=f"Name some of: {', '.join(KINDS)}; or none, for all.",
                )
        if "url" in said:
            target_of(said["url"], self._rules)


def no_such_endpoint() -> Rejected:
    """Nothing is known by this id."""
    return Rejected(
        "There is no webhook of this id.", status=404, code="unknown-webhook", fix="Take one from GET /v1/webhooks."
    )


def version_of(endpoint_id: UUID, version: int) -> str:
    """What If-Match compares: it moves with every change of the endpoint, and not with how its deliveries go."""
    return f"{endpoint_id}.{version}"


async def _matched(transaction: Transaction, endpoint_id: UUID, asked: Asked) -> Any:
    row = await _held(transaction, endpoint_id)
    version = version_of(endpoint_id, row.version)
    if not names(asked.if_match, version):
        raise Rejected(
            "The webhook has changed since the version in If-Match.",
            status=412,
            code="stale-version",
            fix="Read it again and decide on what it is now.",
            extra={"current": {"etag": etag(version), "state": row.state}},
            headers={"ETag": etag(version)},
        )
    return row


async def _held(transaction: Transaction, endpoint_id: UUID) -> Any:
    row = await webhooks.one(transaction, endpoint_id, held=True)
    if row is None:
        raise no_such_endpoint()
    return row


def _vouching(asked: Asked, now: datetime) -> dict[str, Any]:
    """It goes on for whoever asks."""
    return {"vouched_by": asked.by.credentials, "vouched_at": now}


def _earlier(one: datetime | None, other: datetime) -> datetime:
    other = other.astimezone(UTC)
    return other if one is None else min(one, other)


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)


def _shown(row: Any) -> dict[str, Any]:
    """An endpoint without its secrets, but for when the one before the newest ends."""
    ends = next((one["expires_at"] for one in row.secrets if one.get("expires_at") is not None), None)
    return {
        **{name: getattr(row, name) for name in webhooks.SHOWN},
        "old_secret_expires_at": ends,
        "version": row.version,
    }
