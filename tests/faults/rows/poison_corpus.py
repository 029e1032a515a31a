"""Records that nobody can process, by hand and made up; each says which of its readers must set it aside."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from services.metrics import app as metrics
from services.pipeline import app as pipeline
from services.scoring import app as scoring
from shared.contracts.topics import (
    CAPTURE_LEADS,
    CAPTURE_QUARANTINE,
    PIPELINE_ERASURES,
    PIPELINE_LIFECYCLE,
    PIPELINE_VISITS,
    SCORING_SCORES,
    TOPICS,
)
from tests.faults.rows.raw_records import an_id

READERS: dict[str, tuple[str, ...]] = {
    topic: tuple(
        name
        for name, app in (("scoring", scoring), ("pipeline", pipeline), ("metrics", metrics))
        if topic in {one.name for one in app.CONSUMES}
    )
    for topic in TOPICS
}
"""Which services consume each topic, as their wiring says."""

MUCH = 950_000
"""Bytes; a mebibyte with its key, headers and batch is what a broker takes."""

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Poison:
    """A record and the services that must set it aside, all that read its topic unless told otherwise."""

    name: str
    topic: str
    value: bytes | None
    key: bytes | None = b"poison"
    headers: Headers = ()
    dead_in: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.dead_in:
            object.__setattr__(self, "dead_in", READERS[self.topic])


def envelope(chance: random.Random, event: str, **own: Any) -> dict[str, Any]:
    """What every event has. It happened so late that no answer counts it, should it be read after all."""
    return {
        "event": event,
        "event_id": an_id(chance),
        "lead_id": an_id(chance),
        "business_unit": "poison",
        "occurred_at": "8999-01-01T00:00:00Z",
        "recorded_at": "2026-01-01T00:00:00Z",
        "correlation_id": an_id(chance),
        **own,
    }


def captured(chance: random.Random, **own: Any) -> dict[str, Any]:
    """An interaction of somebody unknown, which changes nothing."""
    return envelope(chance, "InteractionRecorded", **{"sender": "poison", "channel": "api", "kind": "visit", **own})


def scored(chance: random.Random, **own: Any) -> dict[str, Any]:
    """The score of somebody unknown."""
    told = {"score": 5, "grade": "D", "fit": 5, "engagement": 0, "reasons": [], "policy_version": "1", **own}
    return envelope(chance, "LeadScored", **told)


def graded(chance: random.Random, **own: Any) -> dict[str, Any]:
    """A verdict in the story of somebody unknown."""
    return envelope(chance, "LeadGraded", **{"version": 1, "score": 5, "grade": "D", **own})


def ordered(chance: random.Random, **own: Any) -> dict[str, Any]:
    """That somebody unknown is to be forgotten."""
    told = {"until": "2020-01-01T00:00:00Z", "erasure_id": an_id(chance), "actor": "poison", "reason": "poison", **own}
    return envelope(chance, "ErasureOrdered", **told)


def visited(chance: random.Random, **own: Any) -> dict[str, Any]:
    """That somebody was there."""
    return envelope(chance, "VisitorSeen", **{"day": "2026-01-01", "channel": "api", **own})


def quarantined(chance: random.Random, **own: Any) -> dict[str, Any]:
    """That something could not be taken in."""
    return envelope(chance, "PayloadQuarantined", **{"sender": "poison", "kind": "lead", "reason": "invalid", **own})


MAKE: dict[str, Callable[..., dict[str, Any]]] = {
    CAPTURE_LEADS.name: captured,
    CAPTURE_QUARANTINE.name: quarantined,
    SCORING_SCORES.name: scored,
    PIPELINE_LIFECYCLE.name: graded,
    PIPELINE_ERASURES.name: ordered,
    PIPELINE_VISITS.name: visited,
}
"""An event of each topic that is right in itself."""


def _bytes(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def _with(document: dict[str, Any], raw: bytes) -> bytes:
    """The document with one more field, whose value is these bytes as they are."""
    return _bytes(document)[:-1] + b', "more": ' + raw + b"}"


def unreadable(topic: str, chance: random.Random) -> Iterator[Poison]:
    """What is no event of its topic, in every way there is."""

    def right(**own: Any) -> dict[str, Any]:
        return {**MAKE[topic](chance), **own}

    def without(name: str) -> dict[str, Any]:
        return {key: value for key, value in right().items() if key != name}

    whole = _bytes(right())
    values: dict[str, bytes | None] = {
        "nothing": None,
        "empty": b"",
        "half an object": whole[: chance.randrange(1, len(whole) - 1)],
        "a list": b"[]",
        "null": b"null",
        "a text": b'"lead"',
        "another format": b"\x00\x01\x02 avro \xff",
        "compressed": gzip.compress(whole),
        "UTF-16": whole.decode().encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + whole,
        "invalid UTF-8": _with(right(), b'"\xff\xfe"'),
        "a surrogate in UTF-8": _with(right(), b'"\xed\xa0\x80"'),
        "half a surrogate pair": _with(right(), b'"\\ud800"'),
        "NaN": _with(right(), b"NaN"),
        "infinity": _with(right(), b"-Infinity"),
        "a number of 5,000 digits": _with(right(), b"9" * 5_000),
        "a NUL after the end": whole + b"\x00",
        "nested 20,000 deep": b"[" * 20_000,
        "an unknown field nested 400 deep": _with(right(), b"[" * 400 + b"]" * 400),
        "a megabyte of text": b'"' + b"x" * MUCH + b'"',
        "a name of a megabyte": _bytes(right(business_unit="x" * MUCH)),
        "no event id": _bytes(without("event_id")),
        "no lead id": _bytes(without("lead_id")),
        "an event id that is a number": _bytes(right(event_id=7)),
        "an event id that is none": _bytes(right(event_id="the first")),
        "a time in words": _bytes(right(occurred_at="yesterday")),
        "a time without offset": _bytes(right(occurred_at="2026-01-01T00:00:00")),
        "a time that no calendar has": _bytes(right(recorded_at="9999-12-31T23:59:59Z")),
        "an unknown event": _bytes(right(event="LeadTeleported")),
        "another topic's event": _bytes(chance.choice([make for name, make in MAKE.items() if name != topic])(chance)),
        "an unknown major version": _bytes(right(schema_version=2)),
    }
    for name, value in values.items():
        yield Poison(name, topic, value)
    yield Poison("no key", topic, b"{", key=None)
    yield Poison(
        "headers that are not text", topic, b"{", headers=(("trace", b"\xff\xfe"), ("", None), ("a\x00b", b""))
    )
    yield Poison("10,000 headers", topic, b"{", headers=tuple((f"h{n}", b"x") for n in range(10_000)))


def unstorable(chance: random.Random) -> Iterator[Poison]:
    """What can be read, and is refused by the rules or the database of some of its readers."""
    nul, much = "a\x00b", "x" * MUCH
    leads, scores, story = CAPTURE_LEADS.name, SCORING_SCORES.name, PIPELINE_LIFECYCLE.name
    yield Poison("NUL in a source", leads, _bytes(captured(chance, source=nul)))
    yield Poison("NUL in a kind", leads, _bytes(captured(chance, kind=nul)))
    yield Poison("a touch of a megabyte", leads, _bytes(captured(chance, source=much)), dead_in=("pipeline",))
    yield Poison("NUL in a grade", scores, _bytes(scored(chance, grade=nul)))
    yield Poison("NUL in a verdict", story, _bytes(graded(chance, grade=nul)), dead_in=("metrics",))
    yield Poison("a version beyond the column", story, _bytes(graded(chance, version=2**70)), dead_in=("metrics",))


def corpus(chance: random.Random) -> list[Poison]:
    """Everything that was thought of, for every topic."""
    return [*(one for topic in TOPICS for one in unreadable(topic, chance)), *unstorable(chance)]


_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def almost(draw: st.DrawFn, topic: str) -> bytes:
    """Bytes that were an event of the topic until something was done to them."""
    document = MAKE[topic](random.Random(draw(st.integers(0, 2**32))))
    for name in draw(st.lists(st.sampled_from(sorted(document)), min_size=1, max_size=3)):
        document[name] = draw(_json)
    written = json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.booleans()):
        place = draw(st.integers(0, len(written)))
        written = written[:place] + draw(st.binary(max_size=4)) + written[place + draw(st.integers(0, 8)) :]
    return written


def is_unreadable(topic: str, value: bytes) -> bool:
    """Whether the topic's contract has no event for these bytes."""
    try:
        TOPICS[topic].parse(value)
    except Exception:  # whatever is wrong with them
        return True
    return False


def made_up(chance: random.Random, topic: str, count: int) -> list[Poison]:
    """Records that Hypothesis makes unreadable, the same for the same chance."""
    found: list[Poison] = []

    @seed(chance.getrandbits(32))
    @settings(
        max_examples=4 * count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(almost(topic))
    def collect(value: bytes) -> None:
        if len(found) < count and is_unreadable(topic, value):
            found.append(Poison("made up", topic, value, key=value[:8] or None))

    collect()
    return found
