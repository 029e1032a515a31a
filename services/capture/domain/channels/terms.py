"""The words of channels: what a sender delivers, what an adapter makes of it, and what an adapter is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from services.capture.domain.terms import Kind, Refused
from shared.contracts.policy import Endpoint, VerificationName

Content = Literal["json", "form", "csv", "bytes"]
"""How a body is read before the adapter sees it; `csv` is a list of rows by their columns' names."""


class File(NamedTuple):
    """A file among form fields."""

    filename: str
    media_type: str
    content: bytes


FormFields = Sequence[tuple[str, str | File]]
"""A form as it was sent: names may be there more than once, and their order counts."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request of a sender. `content` is the body as the adapter asked for it: a JSON value, `FormFields` or the bytes
    themselves. Header names are in lower case; `url` is what the sender addressed."""

    body: bytes = b""
    content: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    url: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """One lead or interaction in the field names of the JSON intake. `key` is the sender's own id of this record: what is
    delivered again under it is the same record. `flags` is what the adapter noted. The rest is what the way it came says of
    it: that it is a test, that a field was filled that no person sees, how long filling took."""

    kind: Kind
    body: Mapping[str, object]
    key: str | None = None
    flags: tuple[str, ...] = ()
    is_test: bool = False
    hidden_field_filled: bool = False
    filled_in_seconds: float | None = None
    otherwise: Draft | None = None
    """What to take instead where the key is known to stand for another content. Of the same kind."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """There is nothing in the delivery to take, and why. The reason names no value."""

    reason: str


Reading = Sequence[Draft] | Refused | Ignored
"""What an adapter makes of a delivery."""


class Verified(NamedTuple):
    """The delivery is from whom it says. `secret` is the place of the secret that proved it, 0 for the newest."""

    secret: int = 0


class Forged(NamedTuple):
    """The delivery cannot be trusted, and why. The reason names no value."""

    reason: str


Verify = Callable[[Delivery, Sequence[str], Endpoint, datetime], Verified | Forged]
"""Whether a delivery is from whom it says: its headers and raw body, the live secrets, newest first, and the time now."""


class Answered(NamedTuple):
    """What a sender's handshake is answered with."""

    body: bytes
    media_type: str


Handshake = Callable[[Delivery, Sequence[str]], Answered | Forged]
"""A sender's GET that asks whether this address is meant for it."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A sender's way of saying things. `verification` is what it is trusted by where the endpoint says nothing
    else. Where there is `head_bytes`, so much of the beginning of a body is kept, and the rest read past. `proof_field` is
    where the body holds what proves it. One that `stops_on_errors` switches an address off whose answers are errors."""

    title: str
    read: Callable[[Delivery, Endpoint], Reading]
    contents: tuple[Content, ...] = ("json",)
    verification: VerificationName = "api_key"
    handshake: Handshake | None = None
    head_bytes: int | None = None
    proof_field: str | None = None
    stops_on_errors: bool = False
