"""Which tests a parallel run gives to one worker, and which it begins with."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

SHARED = ("class", "module", "package")
"""Scopes of what is made once for several tests: two workers with some of them each would make it twice."""


def keep_together(items: Sequence[pytest.Item]) -> None:
    """Tests that share what one of them makes are one group, so that it is made once. A group that a test names itself holds."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None and (group := _shares(item)):
            item.add_marker(pytest.mark.xdist_group(group))


def say_groups(items: Sequence[pytest.Item]) -> None:
    """Groups stand at the end of a test's id, where xdist's scheduler reads them. It writes them there itself, into an attribute that
    ids are no longer read from since pytest 9.2: no group was kept together."""
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        if mark is not None and hasattr(item, "_id"):
            item._id = item._id.parse(f"{item.nodeid}@{mark.args[0]}")


def longest_first(items: list[pytest.Item]) -> None:
    """Those that may take longest begin: what begins last ends the run, and a long one would end it alone."""
    items.sort(key=lambda item: -_may_take_seconds(item))


def _shares(item: pytest.Item) -> str:
    """Where the innermost shared thing of a test is made; empty when all it uses is its own, or everybody's."""
    info = getattr(item, "_fixtureinfo", None)
    used = {} if info is None else info.name2fixturedefs
    if any(made[-1].scope in SHARED for made in used.values()):
        return item.nodeid.partition("::")[0]
    return ""


def _may_take_seconds(item: pytest.Item) -> float:
    limit = item.get_closest_marker("timeout")
    return float(limit.args[0]) if limit is not None and limit.args else 0.0
