"""What somebody sends as YAML is understood, or refused before it costs anybody their processor."""

from __future__ import annotations

import time

import pytest
from pydantic import BaseModel, ConfigDict

from shared.kit.documents import MOST_DEPTH, MOST_FAULTS, MOST_LETTERS, MOST_NODES, understood


class Sheet(BaseModel):
    """A document of the tests."""

    model_config = ConfigDict(extra="forbid")

    lists: dict[str, list[str]] = {}
    parts: dict[str, dict[str, str]] = {}


BOMB = "\n".join(
    f"a{level}: &a{level} {{<<: [{', '.join(['*a' + str(level - 1)] * 8)}]}}" if level else "a0: &a0 {x: y, z: w}"
    for level in range(12)
)

TOO_MUCH = {
    "deep": ("[" * 100_000, "levels deep"),
    "deep in blocks": ("- " * 10_000, "levels deep"),
    "many values": ("x: [" + "1," * 240_000 + "]", "values"),
    "many keys": ("{" + ",".join(f"a{key}: 1" for key in range(40_000)) + "}", "values"),
    "a long value": ("x: " + "9" * 400_000, "letters"),
    "a long number in sixties": ("x: " + ":".join(["59"] * 100_000), "letters"),
    "repetitions of repetitions": (BOMB, "values"),
    "many repetitions": ("a: &a [x]\nb: [" + "*a, " * 200 + "]", "times"),
    "a part within itself": ("a: &a {b: *a}", "within itself"),
}


@pytest.mark.parametrize(("text", "why"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_document_larger_than_people_write_is_refused_at_once(text: str, why: str) -> None:
    began = time.process_time()
    found, (fault,) = understood(text, Sheet)
    assert found is None
    assert why in fault.problem
    assert time.process_time() - began < 5


def test_of_many_faults_the_first_are_told_and_looked_up() -> None:
    began = time.process_time()
    found, faults = understood("\n".join(f"a{key}: 1" for key in range(MOST_NODES // 2 - 2)), Sheet)
    assert (found, len(faults)) == (None, MOST_FAULTS)
    assert [fault.line for fault in faults] == list(range(1, MOST_FAULTS + 1))
    assert time.process_time() - began < 5


def test_what_people_write_is_understood() -> None:
    text = "lists: &l\n  a: &a [x, y]\n  b: *a\nparts:\n  one: &one {k: v}\n  two: {<<: *one, more: w}\n"
    found, faults = understood(text, Sheet)
    assert not faults
    assert found is not None
    assert (found.lists["b"], found.parts["two"]) == (["x", "y"], {"k": "v", "more": "w"})


def test_what_is_just_as_large_as_it_may_be_is_read() -> None:
    deep = "x: " + "[" * (MOST_DEPTH - 1) + "]" * (MOST_DEPTH - 1)
    for text in (deep, f"x: {'9' * 4000}", f"x: {'y' * MOST_LETTERS}"):
        _, faults = understood(text, Sheet)
        assert [(one.place, one.problem) for one in faults] == [("x", "Extra inputs are not permitted")]
