"""What a parallel run gives to one worker, and what it begins with."""

from __future__ import annotations

import pytest

from tests.support.sharing import keep_together, longest_first, say_groups


@pytest.fixture(scope="module")
def made_once() -> object:
    return object()


@pytest.fixture
def made_from_it(made_once: object) -> object:
    return made_once


def group(test: pytest.Item) -> str:
    """The group that a test would be in if it were in none."""
    test.own_markers = [mark for mark in test.own_markers if mark.name != "xdist_group"]
    keep_together([test])
    mark = test.get_closest_marker("xdist_group")
    return str(mark.args[0]) if mark is not None else ""


def item(request: pytest.FixtureRequest) -> pytest.Item:
    found = request.node
    assert isinstance(found, pytest.Item)
    return found


def test_who_shares_what_is_made_once_is_of_the_modules_group(
    request: pytest.FixtureRequest, made_once: object
) -> None:
    assert group(item(request)) == "tests/unit/local/test_sharing.py"


def test_who_shares_it_by_way_of_another_is_too(request: pytest.FixtureRequest, made_from_it: object) -> None:
    assert group(item(request)) == "tests/unit/local/test_sharing.py"


def test_who_shares_nothing_may_run_anywhere(request: pytest.FixtureRequest, tmp_path: object) -> None:
    assert group(item(request)) == ""


def test_the_group_stands_where_the_scheduler_of_this_run_reads_it(request: pytest.FixtureRequest) -> None:
    one = pytest.Function.from_parent(item(request).parent, name="test_a[b@c]", callobj=group)
    one.add_marker(pytest.mark.xdist_group("of it"))
    alone = one.nodeid
    say_groups([one])
    assert one.nodeid == f"{alone}@of it"


def test_those_that_may_take_longest_begin_and_the_others_keep_their_order(request: pytest.FixtureRequest) -> None:
    first, second, third, fourth = (pytest.Function.from_parent(item(request).parent, name=f"test_{one}", callobj=group) for one in "abcd")  # fmt: skip
    second.add_marker(pytest.mark.timeout(60))
    fourth.add_marker(pytest.mark.timeout(600))
    items: list[pytest.Item] = [first, second, third, fourth]
    longest_first(items)
    assert items == [fourth, second, first, third]
