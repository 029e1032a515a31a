"""Whole deliveries of known senders that their adapter cannot read: kept as they came, and read again once an operator has
mended them or the adapter has learned. A delivery that is released is taken in whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.capture.answers import Answer, refusal
from services.capture.domain import IntakeRules, Reason, Refused
from services.capture.domain.channels import Address, Addresses, Delivery, Draft, Ignored
from services.capture.domain.faults import listed
from services.capture.door_counts import DoorCounts
from services.capture.handlers import Caller, Intake, submitted
from services.capture.proofs import without_proof
from services.capture.quarantine import Quarantine, Sent, Whole, faults_of
from shared.kit.clock import Clock
from shared.kit.errors import LeadflowError, Rejected

KEPT_HEADERS = ("content-type", "webhook-id")
"""What adapters read of a request besides its body, once it is known from whom it is."""

WRITTEN_WITHIN_SECONDS = 2.0

Read = Callable[[Address, Delivery, str | None], list[Draft] | Ignored]
"""What an adapter makes of a delivery. Raises `Rejected`."""


class Checked(NamedTuple):
    """What would become of a delivery: its faults, and the tokens of identities that it names."""

    faults: list[dict[str, str]]
    tokens: list[str]


class Deliveries:
    """What becomes of deliveries that cannot be read."""

    def __init__(
        self,
        *,
        addresses: Addresses,
        read: Read,
        parse: Callable[[bytes], object],
        rules: IntakeRules,
        intake: Intake,
        quarantine: Quarantine,
        counts: DoorCounts,
        clock: Clock,
    ) -> None:
        self._addresses = addresses
        self._read = read
        self._parse = parse
        self._rules = rules
        self._intake = intake
        self._quarantine = quarantine
        self._counts = counts
        self._clock = clock

    def refused(self, address: Address, delivery: Delivery, key: str | None, error: Rejected) -> Rejected:
        """Keeps it, where it is from somebody known; the error to answer with. What breaks is as invalid as what says
        something else than it should: both are 422."""
        now = self._clock.now()
        reason: Reason = "invalid" if error.status == 422 else "unreadable"
        if address.verification != "open" and error.status == 400:
            error.status = 422
        if address.verification != "open" and (body := self._without_secret(address, delivery.body)).strip():
            way = {"unit": address.unit, "endpoint": address.name, "headers": _kept(delivery.headers)}
            whole = Whole(address.name, address.unit, address.endpoint.channel, now, way, key)
            error = self._quarantine.keep_whole(whole, body, error, reason)
        self._counts.failed(now, address.name, "lead", error)
        return error

    def turned_away(self, address: Address, error: Exception) -> None:
        """Counts a delivery of somebody known that ended before it was read: one item, whatever was in it."""
        self._counts.failed(self._clock.now(), address.name, "lead", error)

    def ignored(self, address: Address) -> None:
        """Counts a delivery in which there is nothing to take."""
        self._counts.add(self._clock.now(), address.name, "lead", "ignored")

    async def written(self) -> bool:
        """Whether everything that was kept is in the database, within a moment."""
        return await self._quarantine.written(WRITTEN_WITHIN_SECONDS)

    def check(self, way: Mapping[str, Any], body: bytes, key: str | None, received_at: datetime) -> Checked:
        """What is still wrong with a delivery."""
        faults: list[dict[str, str]] = []
        tokens: list[str] = []
        try:
            for sent in self._sent(way, body, key, received_at):
                decision = self._rules.decide(sent.kind, sent.payload, sent.submission, sent.key)
                if isinstance(decision, Refused):
                    faults += listed(decision.faults)
                tokens += decision.identities if isinstance(decision, Refused) else decision.tokens
        except Rejected as error:
            faults += faults_of(error)
        return Checked(faults, list(dict.fromkeys(tokens)))

    async def release(
        self, way: Mapping[str, Any], body: bytes, key: str | None, received_at: datetime, entry_id: UUID
    ) -> list[Answer]:
        """Takes in what a delivery says, all of it or nothing. Raises `Rejected` with what is still wrong, `Retryable` while
        the log is away; what was taken until then is recognised the next time."""
        every = self._sent(way, body, key, received_at)
        for sent in every:
            decision = self._rules.decide(sent.kind, sent.payload, sent.submission, sent.key)
            if isinstance(decision, Refused):
                raise refusal(decision)
        named = [
            sent if sent.key is not None else sent._replace(key=f"quarantine\x1f{entry_id}:{place}")
            for place, sent in enumerate(every)
        ]
        return [await self._intake.release(sent) for sent in named]

    def _sent(self, way: Mapping[str, Any], body: bytes, key: str | None, received_at: datetime) -> list[Sent]:
        address = self._addresses.find(str(way["unit"]), str(way["endpoint"]))
        if address is None:
            raise Rejected(
                "The endpoint that it came to is not in the policy any more.",
                status=409,
                code="no-endpoint",
                fix=f"Name {way['endpoint']} under the endpoints of {way['unit']} again, or drop the entry.",
            )
        headers = dict(way["headers"])
        if self._is_json(body) and "json" in address.adapter.contents:
            headers["content-type"] = "application/json"
        read = self._read(address, Delivery(body=body, headers=headers), key)
        if isinstance(read, Ignored) or not read:
            why = f": {read.reason}" if isinstance(read, Ignored) else ""
            raise Rejected(
                f"There is nothing in it to take{why}.", status=409, code="nothing-to-take", fix="Drop the entry."
            )
        caller = Caller(address.name, may_backdate=False)
        return [
            Sent(draft.kind, draft.body, submitted(draft, caller, received_at, address.endpoint.country), draft.key)
            for draft in read
        ]

    def _is_json(self, body: bytes) -> bool:
        try:
            return isinstance(self._parse(body), dict | list)
        except LeadflowError:
            return False

    def _without_secret(self, address: Address, body: bytes) -> bytes:
        """The body without what proves its sender, where that stands in it."""
        name = address.adapter.proof_field
        return body if name is None else without_proof(body, name, self._parse)


def summary(answers: Sequence[Answer]) -> Answer:
    """What a delivery became, as one answer."""
    events = [{"event_id": one["event_id"], "lead_id": one["lead_id"], "flags": one["flags"]} for one in answers]
    return {**events[0], "events": events}


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    found = {name: headers[name] for name in KEPT_HEADERS if name in headers}
    return {name: value for name, value in found.items() if value.isprintable()}
