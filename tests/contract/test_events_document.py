"""The documentation of events is the wiring, and every promise has a keeper."""

from __future__ import annotations

from collections import Counter

import pytest

from shared.contracts.topics import TOPICS
from tests.contract.events_document import PATH, SERVICES, _events, render, wiring


def test_the_document_is_what_the_wiring_says() -> None:
    assert PATH.read_text(encoding="utf-8") == render(), "docs/events.md is out of date: run `make docs`"


@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
def test_every_event_of_a_topic_is_published_by_the_service_its_name_starts_with(topic) -> None:  # type: ignore[no-untyped-def]
    assert topic.name.startswith(f"{topic.publisher}.")
    assert set(wiring(topic.publisher)[1][topic]) <= set(_events(topic))


@pytest.mark.parametrize("service", SERVICES)
def test_a_handler_of_one_event_is_named_after_it_and_one_of_several_says_on(service: str) -> None:
    for topic, handlers in wiring(service)[0].items():
        assert set(handlers) <= set(_events(topic))
        served = Counter(handlers.values())
        for event, handler in handlers.items():
            words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in event.__name__)
            expected = f"on{words}" if served[handler] == 1 else "on_"
            assert handler.__name__.startswith(expected)
