"""What another qualification would have decided is what it would have decided: the same rules, on what was known then."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.dry_run import COUNTED, Totals, Trial, try_out
from services.pipeline.domain.facts import in_order
from services.pipeline.domain.state import fold
from shared.contracts.lifecycle_events import LeadQualified
from tests.unit.pipeline.test_qualification import (
    FACTS,
    LEAD,
    RULES,
    a_ledger,
    a_qualifier,
    consent,
    decided,
    graded,
    touched,
)

OPENED = ("OpportunityOpened", {"opportunity_id": "d", "stage": "discovery"})
WON = ("OpportunityWon", {"opportunity_id": "d"})


def tried(before: dict[str, Any], after: dict[str, Any], *facts: tuple[str, dict[str, Any]]) -> Trial | None:
    return try_out(a_ledger(*facts, email="a@x.example"), LEAD, a_qualifier(**before), a_qualifier(**after))


@pytest.mark.parametrize(
    ("facts", "before", "after", "converted", "won"),
    [
        ([graded(50)], True, False, False, False),
        ([graded(30), graded(90), graded(20)], True, True, False, False),
        ([graded(30)], False, False, False, False),
        ([graded(50), ("LeadQualified", {}), OPENED], True, False, True, False),
        ([graded(50), ("LeadQualified", {}), OPENED, WON], True, False, True, True),
        ([("LeadArchived", {"reason": "other"}), graded(90)], False, False, False, False),
    ],
)
def test_a_lead_is_asked_about_at_every_score_it_had(
    facts: list[Any], before: bool, after: bool, converted: bool, won: bool
) -> None:
    trial = tried({"min_score": 40}, {"min_score": 60}, *facts)
    if facts[0][0] == "LeadArchived":
        assert trial is None
        return
    assert trial is not None
    told = (trial.before is not None, trial.after is not None, trial.converted, trial.won)
    assert told == (before, after, converted, won)


def test_what_was_known_later_does_not_count_before() -> None:
    rule = {"rules": [{"rule": "r", "when": 'consent == "contact" and activity.call >= 1'}]}
    late = tried({"min_score": 40}, rule, graded(50), touched("call"), consent("contact", granted=True))
    assert late is not None
    assert late.after is None
    then = tried({"min_score": 40}, rule, touched("call"), consent("contact", granted=True), graded(50))
    assert then is not None
    assert then.after is not None


def test_who_is_held_out_or_was_never_scored_is_not_counted() -> None:
    assert tried({}, {}, graded(90), ("LeadMarked", {"mark": "test"})) is None
    assert tried({}, {}, touched("call")) is None
    assert tried({}, {}, ("LeadGraded", {"score": 90, "grade": "A", "historical": True})) is None


@given(FACTS, RULES, st.integers(0, 60))
def test_a_dry_run_of_the_policy_that_decided_says_what_it_decided(
    facts: list[Any], rules: list[dict[str, Any]], floor: int
) -> None:
    named = [{"rule": f"r{place}", **one} for place, one in enumerate(rules)]
    policy = {"rules": named, "min_score": floor}
    live = a_ledger()
    live_at = None
    for place in range(len(facts) + 1):
        live = a_ledger(*facts[:place])
        if place and facts[place - 1][0] == "LeadGraded" and (found := decided(a_qualifier(**policy), live)):
            live_at = (found[0].kind is LeadQualified, found[0].data["rule"])
            break
    trial = tried_without_mail(policy, facts)
    met = trial.after if trial is not None else None
    assert (None if met is None else (not met.verdict.confirm, met.verdict.rule)) == live_at
    assert trial is None or trial.before == trial.after


def tried_without_mail(policy: dict[str, Any], facts: list[Any]) -> Trial | None:
    ledger = a_ledger(*facts)
    trial = try_out(ledger, LEAD, a_qualifier(**policy), a_qualifier(**policy))
    assert trial is None or ledger.root(LEAD).state == fold(in_order(ledger.facts(LEAD)))
    return trial


@given(st.lists(st.tuples(FACTS, st.integers(0, 100), st.integers(0, 100)), max_size=6))
def test_pages_add_up_to_the_same_however_they_are_cut(leads: list[Any]) -> None:
    trials = [
        trial
        for facts, before, after in leads
        if (trial := tried({"min_score": before}, {"min_score": after}, *facts)) is not None
    ]
    whole, paged = Totals(), Totals()
    for trial in trials:
        whole.add(trial)
        paged = Totals.of(paged.document())
        paged.add(trial)
    assert paged.shown() == whole.shown()
    total = whole.shown()["total"]
    assert total["leads"] == len(trials)
    assert total["after"] - total["before"] == total["newly"] - total["no_longer"]
    for by in ("by_unit", "by_product", "by_grade"):
        assert {name: sum(cell[name] for cell in whole.shown()[by].values()) for name in COUNTED} == total
