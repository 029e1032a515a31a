"""What operators do with quarantine: look, mend, release, drop. A released payload goes through the intake it failed, as
its sender had sent it then: same rights, same time of receipt, same key, so that releasing it twice is one lead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Literal, TypeGuard
from uuid import UUID

import orjson
from sqlalchemy import Row

from services.capture.answers import needs_database
from services.capture.deliveries import Deliveries, summary
from services.capture.domain import IntakeRules, Refused, Submission, merge_patch, redacted
from services.capture.domain.faults import listed
from services.capture.domain.values import unknown_field_flag
from services.capture.handlers import Intake
from services.capture.quarantine import DELIVERY, MAX_PAYLOAD_BYTES, Sent, encoded
from services.capture.storage import quarantine as storage
from shared.kit.database import Database, Transaction
from shared.kit.errors import Rejected

Shown = dict[str, Any]
Action = Literal["revealed", "mended", "released", "dropped"]

MAX_NOTE = 500
_MAY_BE_RELEASED = ("open", "dropped", "expired")
_KNOWN = frozenset(field.name for field in fields(Submission))


class Desk:
    """Commands on entries, each put on record with who gave it."""

    def __init__(
        self,
        database: Database | None,
        rules: IntakeRules,
        intake: Intake,
        deliveries: Deliveries,
        parse: Callable[[bytes], object],
        new_id: Callable[[], UUID],
    ) -> None:
        self._database = database
        self._rules = rules
        self._intake = intake
        self._deliveries = deliveries
        self._parse = parse
        self._new_id = new_id

    async def listing(self, filters: dict[str, str], after: tuple[datetime, UUID] | None, limit: int) -> list[Shown]:
        """A page of entries without what they say, oldest first."""
        rows = await storage.quarantined(self._stored(), filters=filters, after=after, limit=limit)
        return [_shown(row) for row in rows]

    async def counts(self) -> list[Shown]:
        """How many entries there are, and of how many deliveries, by where they stand, why, what and whose."""
        return [dict(row._mapping) for row in await storage.quarantine_counts(self._stored())]

    async def show(self, entry_id: UUID, *, actor: str, reveal: bool) -> Shown:
        """One entry: its payload's fields and of which kind and length their values are, or, on record, what it says."""

        async def work(tx: Transaction) -> Shown:
            row = await storage.entry(tx, entry_id)
            if row is None:
                raise _unknown(entry_id)
            if reveal:
                await self._record(tx, entry_id, actor, "revealed")
            done = await storage.actions(tx, entry_id)
            said = {name: self._said(getattr(row, name), reveal=reveal) for name in ("payload", "mended")}
            key = row.key if reveal else redacted(row.key)
            return {**_shown(row), "key": key, **said, "actions": [dict(one._mapping) for one in done]}

        return await self._stored().run(work)

    async def mend(self, entry_id: UUID, *, actor: str, patch: object = None, payload: object = None) -> Shown:
        """Keeps a payload with a merge patch in it, or another in its place; says which faults remain."""

        async def work(tx: Transaction) -> Shown:
            row = await self._open(tx, entry_id)
            body = payload if payload is not None else merge_patch(self._body(row), patch)
            written = body.encode("utf-8", "replace") if _is_text_of(body, row) else encoded(body)
            if written is None or len(written) > MAX_PAYLOAD_BYTES:
                raise Rejected("What it would become is too large or nested too deep.", code="too-large", status=413)
            faults, tokens = self._check(row, body, written)
            await storage.mend_entry(
                tx, entry_id, mended=written, faults=orjson.dumps(faults).decode(), identities=tokens
            )
            await self._record(tx, entry_id, actor, "mended", _named(patch if payload is None else payload))
            return {"id": entry_id, "status": "open", "ready": not faults, "faults": faults}

        return await self._stored().run(work)

    async def release(self, entry_id: UUID, *, actor: str) -> Shown:
        """Takes an entry in after all. Raises `Rejected` with what is still wrong, `Retryable` while the log is away: both
        leave it open. One that was released is answered as then."""
        row = await storage.entry(self._stored(), entry_id)
        if row is None:
            raise _unknown(entry_id)
        if row.status == "released":
            return _released(entry_id, row.event_id)
        _check_open(row)
        if row.kind == DELIVERY:
            way = (row.submission, self._bytes(row), row.key, row.received_at, row.id)
            answer = summary(await self._deliveries.release(*way))
        else:
            answer = await self._intake.release(_sent(row, self._body(row)))
        event_id = UUID(str(answer["event_id"]))

        async def work(tx: Transaction) -> None:
            now = await storage.locked_entry(tx, entry_id)
            # The log has it by now, whatever was decided meanwhile; of whoever was erased nothing is noted.
            if now is not None and now.status in _MAY_BE_RELEASED:
                await storage.settle_entry(tx, entry_id, "released", event_id)
                await self._record(tx, entry_id, actor, "released")

        await self._stored().run(work)
        told: Shown = {name: answer[name] for name in ("lead_id", "flags", "events") if name in answer}
        return {**_released(entry_id, event_id), **told}

    async def drop(self, entry_id: UUID, *, actor: str, note: str | None) -> Shown:
        """Gives an entry up. It stays on record, and is emptied when its time has come."""

        async def work(tx: Transaction) -> None:
            await self._open(tx, entry_id)
            await storage.settle_entry(tx, entry_id, "dropped", None)
            await self._record(tx, entry_id, actor, "dropped", note)

        await self._stored().run(work)
        return {"id": entry_id, "status": "dropped"}

    def _stored(self) -> Database:
        if self._database is None:
            raise needs_database("quarantine")
        return self._database

    async def _record(
        self, tx: Transaction, entry_id: UUID, actor: str, action: Action, note: str | None = None
    ) -> None:
        await storage.add_action(tx, self._new_id(), entry_id, actor, action, note)

    async def _open(self, tx: Transaction, entry_id: UUID) -> Row[Any]:
        row = await storage.locked_entry(tx, entry_id)
        if row is None:
            raise _unknown(entry_id)
        _check_open(row)
        return row

    def _check(self, row: Row[Any], body: object, written: bytes) -> tuple[list[dict[str, str]], list[str]]:
        """What is still wrong with a payload, and the tokens of whom it names."""
        if row.kind == DELIVERY:
            return self._deliveries.check(row.submission, written, row.key, row.received_at)
        sent = _sent(row, body)
        decision = self._rules.decide(sent.kind, body, sent.submission, sent.key)
        if not isinstance(decision, Refused):
            return [], list(decision.tokens)
        return listed(decision.faults), list(decision.identities)

    def _body(self, row: Row[Any]) -> object:
        """The payload as it stands, read. Raises `Rejected` where it cannot be used as it is."""
        return self._parse(self._bytes(row))

    def _bytes(self, row: Row[Any]) -> bytes:
        """The payload as it stands. Raises `Rejected` where only its beginning is there."""
        if row.mended is None and not row.whole:
            raise Rejected(
                "Of this payload only the beginning is kept: it was too large.",
                status=409,
                code="not-whole",
                fix="Mend it with a whole payload of its own, or have it sent again in smaller parts.",
            )
        return bytes(row.payload if row.mended is None else row.mended)

    def _said(self, kept: bytes | None, *, reveal: bool) -> object:
        if kept is None:
            return None
        try:
            body = self._parse(bytes(kept))
            if not reveal:
                return redacted(body)
            orjson.dumps(body)  # where it holds half a surrogate pair, only its text can be shown
        except (Rejected, orjson.JSONEncodeError):
            return bytes(kept).decode("utf-8", "backslashreplace") if reveal else f"{len(kept)} bytes that are no JSON"
        return body


def _shown(row: Row[Any]) -> Shown:
    return {
        "id": row.id,
        "received_at": row.received_at,
        "last_received_at": row.last_received_at,
        "times": row.times,
        "sender": row.sender,
        "business_unit": row.business_unit,
        "channel": row.channel,
        "kind": row.kind,
        "reason": row.reason,
        "faults": row.faults,
        "size_bytes": row.size_bytes,
        "whole": row.whole,
        "is_mended": row.is_mended,
        "status": row.status,
        "settled_at": row.settled_at,
        "event_id": row.event_id,
    }


def _sent(row: Row[Any], body: object) -> Sent:
    """As its sender sent it. One without a key gets one of its own."""
    way = {name: value for name, value in row.submission.items() if name in _KNOWN}
    way["flags"] = tuple(way.get("flags", ()))
    submission = Submission(**way, sender=row.sender, received_at=row.received_at)
    return Sent(row.kind, body, submission, row.key if row.key is not None else f"quarantine\x1f{row.id}")


def _is_text_of(body: object, row: Row[Any]) -> TypeGuard[str]:
    """Whether it is what a delivery says, in another form than JSON."""
    return row.kind == DELIVERY and isinstance(body, str)


def _released(entry_id: UUID, event_id: UUID | None) -> Shown:
    return {"id": entry_id, "status": "released", "event_id": event_id}


def _named(patch: object) -> str | None:
    """The fields a patch is about, where their names can be nobody's data."""
    if not isinstance(patch, Mapping):
        return None
    names = [str(name) for name in patch if unknown_field_flag(str(name)) != "unknown_field"]
    return ", ".join(names)[:MAX_NOTE] or None


def _unknown(entry_id: UUID) -> Rejected:
    return Rejected(
        f"There is no entry {entry_id}.",
        status=404,
        code="not-found",
        fix="Look at /v1/quarantine; what was refused a moment ago comes there within a second.",
    )


def _check_open(row: Row[Any]) -> None:
    if row.status != "open":
        raise Rejected(
            f"Entry {row.id} is {row.status} already.",
            status=409,
            code="settled",
            fix="Have it sent again where it is still wanted.",
        )
