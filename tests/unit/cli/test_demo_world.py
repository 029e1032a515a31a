"""The simulated world is the same each time and could have happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from shared.cli.demo.world import CHANNELS, SPAN, UNITS, Story, stories
from shared.contracts.policy import Policy
from shared.kit.documents import read_yaml

ENDS_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
POLICY = read_yaml(Path(__file__).parents[3] / "policy.yaml", Policy)


def world(count: int = 600, seed: int = 1, ends_at: datetime = ENDS_AT) -> list[Story]:
    return list(stories(seed, count, ends_at))


def test_a_seed_gives_the_same_world_and_another_seed_another() -> None:
    assert world() == world()
    assert world(seed=2) != world()


def test_more_leads_change_none_of_the_others() -> None:
    assert world(50) == world()[:50]


def test_when_it_is_played_moves_the_times_and_nothing_else() -> None:
    later = world(ends_at=ENDS_AT + timedelta(days=3))
    assert [[work.key for work in story.work] for story in later] == [
        [work.key for work in story.work] for story in world()
    ]


def test_nothing_happens_after_the_end_and_work_goes_forward() -> None:
    for story in world():
        moments = [work.at for work in story.work]
        assert all(earlier < later for earlier, later in pairwise(moments))
        assert all(moment <= ENDS_AT for moment in moments)
        created = datetime.fromisoformat(story.posts[0]["occurred_at"])
        assert ENDS_AT - SPAN <= created <= ENDS_AT
        assert all(created < moment for moment in moments)


def test_it_has_five_channels_two_units_repeats_merges_and_every_command() -> None:
    told = world(2_000)
    assert {story.posts[0]["channel"] for story in told} == {channel.name for channel in CHANNELS}
    assert {story.business_unit for story in told} == set(UNITS)
    again = [story for story in told if len(story.posts) == 2]
    assert any(story.posts[0] == story.posts[1] for story in again)
    assert any("email" not in story.posts[0] and "email" in story.posts[1] for story in again)
    assert {work.command for story in told for work in story.work} == {
        "assign", "record-contact", "qualify", "archive", "reopen", "opportunities", "move", "change-amount", "win",
        "lose",
    }  # fmt: skip


def test_it_uses_the_words_of_the_policy() -> None:
    for story in world(2_000):
        unit = POLICY.unit(story.business_unit)
        assert story.posts[0]["channel"] in unit.channels
        for work in story.work:
            if work.command == "archive":
                assert work.body["reason"] in unit.archive_reasons
                assert work.body["reason"] != "other" or work.body["note"]
            if work.command == "lose":
                assert work.body["reason"] in unit.loss_reasons
            if work.command in ("opportunities", "move"):
                assert unit.stage_position(work.body["stage"]) is not None


def test_every_record_and_command_has_a_key_of_its_own() -> None:
    keys = [work.key for story in world() for work in story.work]
    assert len(keys) == len(set(keys))
    records = [post["record_id"] for story in world() for post in (*story.posts, *story.interactions)]
    repeats = sum(len(story.posts) == 2 and story.posts[0] == story.posts[1] for story in world())
    assert len(records) == len(set(records)) + repeats
