"""A queue is in the order in which somebody should work, and says why."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.due import Task
from services.pipeline.domain.queue import Candidate, in_turn
from tests.unit.pipeline.builders import START, an_id, at


def a_candidate(*due: float, score: int | None = 50, probability: float | None = None, since: float = -60, starts: float = -30) -> Candidate:  # fmt: skip
    tasks = [Task(an_id(), an_id(), "step", "call", at(minutes), at(min(starts, minutes))) for minutes in due]
    return Candidate(an_id(), at(since), "B" if score is not None else None, score, probability, tasks)


def test_what_is_late_comes_first_then_what_soon_will_be_then_the_best() -> None:
    later = a_candidate(600, score=99, starts=300)
    open_best, open_worse = a_candidate(score=90), a_candidate(600, score=20)
    soon, late, late_best = a_candidate(30, score=10), a_candidate(-5, score=30), a_candidate(-1, score=40)
    given_in = [later, open_worse, soon, late, open_best, late_best]
    assert [one.candidate for one in in_turn(given_in, START)] == [late_best, late, soon, open_best, open_worse, later]


def test_of_equal_scores_the_likelier_goes_first_then_the_sooner_then_the_older() -> None:
    likely, unlikely = a_candidate(100, probability=0.4), a_candidate(90, probability=0.1)
    sooner, older, newer = a_candidate(80), a_candidate(90, since=-90), a_candidate(90, since=-10)
    ranked = in_turn([newer, older, sooner, unlikely, likely], START)
    assert [one.candidate for one in ranked] == [likely, unlikely, sooner, older, newer]


def test_it_says_why() -> None:
    (one,) = in_turn([a_candidate(-35, 20, score=82, probability=0.31, since=-60 * 24 * 3)], START)
    assert one.why == ("call: late, since 35 min", "grade B, score 82, 31% likely", "waits for 3 days")
    assert one.due_at == at(-35)
    (bare,) = in_turn([a_candidate(score=None)], START)
    assert bare.why == ("waits for 1 h 0 min",)


@given(st.lists(st.builds(lambda due, score, since: a_candidate(*due, score=score, since=-since), st.lists(st.integers(-500, 500), max_size=3), st.none() | st.integers(0, 100), st.integers(0, 5000)), max_size=12), st.randoms())  # fmt: skip
def test_the_order_does_not_depend_on_the_order_of_asking(candidates: list[Candidate], chance: Random) -> None:
    shuffled = list(candidates)
    chance.shuffle(shuffled)
    ranked = in_turn(candidates, START)
    assert ranked == in_turn(shuffled, START)
    urgencies = [one.urgency for one in ranked]
    assert urgencies == sorted(urgencies)
    for one in ranked:
        assert (one.urgency == 0) == any(task.due_at <= START for task in one.candidate.tasks)
