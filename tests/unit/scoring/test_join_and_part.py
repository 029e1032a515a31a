"""Ledgers join and part: whatever is learned in whatever order, groups are those of the last words, and a merge that is taken
back leaves nothing behind."""

from __future__ import annotations

from random import Random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.scoring.domain import Lead, Person, Rulebook, Touch, Work, resolved_roots
from services.scoring.domain.scores import Score
from shared.contracts.lifecycle_events import LeadMerged, LeadUnmerged
from tests.unit.scoring.builders import an_id, merged, unmerged
from tests.unit.scoring.test_score_properties import ledgers, policies, the_day

LEADS = range(5)
News = LeadMerged | LeadUnmerged
lead = st.sampled_from(LEADS)
stories = st.lists(st.tuples(lead, st.one_of(st.none(), lead)), max_size=12)
patiently = settings(deadline=None, max_examples=80)


def as_news(story: list[tuple[int, int | None]]) -> list[News]:
    """Each word about a lead in its place in the story; a merge into itself is none."""
    return [
        unmerged(who, 0, place + 1) if into is None else merged(who, into, place + 1)
        for place, (who, into) in enumerate(story)
        if who != into
    ]


def told(news: list[News]) -> Work:
    leads = {an_id(name): Lead(an_id(name), "default", an_id(name), known=True) for name in LEADS}
    work = Work(leads, {})
    for one in news:
        work.merge(one) if isinstance(one, LeadMerged) else work.unmerge(one)
    return work


def roots(work: Work) -> dict[UUID, UUID]:
    return {lead_id: one.root_id for lead_id, one in work.leads.items()}


@patiently
@given(stories, st.randoms(use_true_random=False))
def test_groups_are_those_of_the_last_word_on_each_in_any_order_and_however_often_it_comes(
    story: list[tuple[int, int | None]], chance: Random
) -> None:
    news = as_news(story)
    shuffled = [*news, *news[:4]]
    chance.shuffle(shuffled)
    last: dict[UUID, UUID | None] = {an_id(name): None for name in LEADS}
    for one in news:
        last[one.lead_id] = one.into_lead_id if isinstance(one, LeadMerged) else None
    assert roots(told(shuffled)) == roots(told(news)) == resolved_roots(last)


@patiently
@given(stories, lead, lead)
def test_a_merge_that_is_taken_back_leaves_everybody_where_they_were(
    story: list[tuple[int, int | None]], who: int, into: int
) -> None:
    news = as_news([one for one in story if one[0] != who])
    if who == into:
        return
    before = roots(told(news))
    assert roots(told([*news, merged(who, into, 50), unmerged(who, into, 51)])) == before


def scored(work: Work, touches: dict[UUID, list[Touch]], rulebook: Rulebook, later: int) -> dict[UUID, Score]:
    """The score of each group, of everything known under its ids."""
    members: dict[UUID, list[Lead]] = {}
    for one in work.leads.values():
        members.setdefault(one.root_id, []).append(one)
    people = [Person.of(work.leads[root], group, touches) for root, group in members.items()]
    return {one.root.lead_id: rulebook.score(one.counting, the_day(later)) for one in people}


@patiently
@given(
    stories,
    st.lists(ledgers, min_size=5, max_size=5),
    policies(),
    st.randoms(use_true_random=False),
    st.integers(0, 60),
)
def test_a_joined_ledger_scores_as_the_whole_and_a_parted_one_as_before(
    story: list[tuple[int, int | None]],
    did: list[tuple[Touch, ...]],
    policy: object,
    chance: Random,
    later: int,
) -> None:
    touches = {
        an_id(name): [one._replace(lead_id=an_id(name), event_id=an_id((name, place))) for place, one in enumerate(own)]
        for name, own in zip(LEADS, did, strict=True)
    }
    rulebook = Rulebook(policy)  # type: ignore[arg-type]
    news = as_news(story)
    shuffled = list(news)
    chance.shuffle(shuffled)
    joined = scored(told(shuffled), touches, rulebook, later)
    for root, score in joined.items():
        whole = [one for name, own in touches.items() if roots(told(news))[name] == root for one in own]
        assert score == rulebook.score(whole, the_day(later))
    parting = [unmerged(name, 0, 60 + name) for name in LEADS]
    apart = scored(told([*shuffled, *parting]), touches, rulebook, later)
    assert apart == {name: rulebook.score(own, the_day(later)) for name, own in touches.items()}
