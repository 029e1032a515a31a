"""When a lead qualifies, by itself or once somebody says yes, and why."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.decisions import Act, decide_qualify
from services.pipeline.domain.due import CONFIRMATION, Cause, cancelled, done
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.ledger import Lead, Ledger
from services.pipeline.domain.qualification import Qualifier, confirmations, confirming
from shared.contracts import lifecycle_events as lifecycle
from shared.contracts.policy import Policy
from tests.unit.pipeline.builders import an_id, at

LEAD = UUID(int=1)


def a_qualifier(**qualification: Any) -> Qualifier:
    document = {"version": "7", "defaults": {"qualification": qualification, "routing": ROUTING}}
    return Qualifier(Policy.model_validate(document).defaults, "7")


ROUTING = {"owners": {"kim": {}, "lee": {}}, "fallback": "lee"}


def a_ledger(*facts: tuple[str, dict[str, Any]], stored: bool = False, **personal: Any) -> Ledger:
    """A lead and what was recorded of it, a minute apart."""
    ledger = Ledger([Lead(LEAD, "default", LEAD, facts=[], personal=personal)])
    for minute, (event, data) in enumerate((("LeadCreated", {"channel": "web_form", "product": "roof"}), *facts)):
        ledger.record(LEAD, Draft(getattr(lifecycle, event), an_id(), at(minute), an_id(), None, data))
    if stored:
        ledger[LEAD].facts = None
    return ledger


def decided(qualifier: Qualifier, ledger: Ledger) -> list[Draft]:
    drafts = qualifier.decide(ledger, LEAD, cause=an_id(), correlation_id=an_id())
    for draft in drafts:
        ledger.record(LEAD, draft)
    return drafts


def graded(score: int, grade: str = "B") -> tuple[str, dict[str, Any]]:
    return "LeadGraded", {"score": score, "grade": grade}


def touched(kind: str, **data: Any) -> tuple[str, dict[str, Any]]:
    return "LeadTouched", {"kind": kind, **data}


def consent(purpose: str, granted: bool) -> tuple[str, dict[str, Any]]:
    return "ConsentChanged", {"purpose": purpose, "granted": granted}


@pytest.mark.parametrize(
    ("qualification", "facts", "reason"),
    [
        ({"min_score": 40}, [graded(40)], "score 40 is at least 40"),
        ({"min_score": 40}, [graded(39)], None),
        ({"min_score": 40, "grades": ["A"]}, [graded(90)], None),
        ({"min_score": 40, "grades": ["A", "B"]}, [graded(90)], "score 90 is at least 40; grade B is one of A, B"),
        ({"automatic": False, "min_score": 40}, [graded(90, "A")], None),
        ({"min_score": 40}, [("LeadAssigned", {"owner": "kim"}), graded(90)], "score 90 is at least 40"),
        ({"min_score": 40}, [("LeadQualified", {}), graded(90)], None),
        ({"min_score": 40}, [("LeadArchived", {"reason": "other"}), graded(90)], None),
        ({"min_score": 40}, [("OrderPlaced", {"amount": "5"}), graded(90)], None),
        ({"min_score": 40}, [("LeadMarked", {"mark": "spam"}), graded(90)], None),
        ({"min_score": 9, "required": ["email", "product"]}, [graded(9)], "score 9 is at least 9; has email, product"),
        ({"min_score": 9, "required": ["phone"]}, [graded(9)], None),
        (
            {"when": 'product == "Roof" and email is known'},
            [graded(60)],
            'score 60 is at least 60; product == "Roof" and email is known',
        ),
        (
            {"rules": [{"rule": "asked", "when": "activity.quote_request >= 2"}]},
            [touched("quote_request"), graded(1)],
            None,
        ),
        (
            {"rules": [{"rule": "asked", "when": "activity.quote_request >= 1"}]},
            [touched("quote_request"), graded(1)],
            "score 1; rule 'asked': activity.quote_request >= 1",
        ),
        (
            {"rules": [{"rule": "quiet", "when": "activity.any < 1"}]},
            [graded(1)],
            "score 1; rule 'quiet': activity.any < 1",
        ),
        (
            {"rules": [{"rule": "ok", "when": 'consent == "contact"'}]},
            [consent("contact", granted=False), graded(1)],
            None,
        ),
        (
            {"rules": [{"rule": "ok", "when": 'consent == "contact"'}]},
            [consent("contact", granted=True), graded(1)],
            "score 1; rule 'ok': consent == \"contact\"",
        ),
        ({"min_score": 1, "products": {"ROOF": {"min_score": 50}}}, [graded(49)], None),
        ({"min_score": 80, "products": {"roof": {"min_score": 9}}}, [graded(9)], "score 9 is at least 9"),
        ({"min_score": 80, "products": {"wall": {"min_score": 9}}}, [graded(9)], None),
    ],
)
def test_qualification_by_rule(qualification: dict[str, Any], facts: list[Any], reason: str | None) -> None:
    found = decided(a_qualifier(**qualification), a_ledger(*facts, email="a@x.example"))
    if reason is None:
        assert not found
        return
    assert [draft.kind.__name__ for draft in found] == ["LeadQualified"]
    assert {"automatic": True, "policy_version": "7", "reason": reason}.items() <= found[0].data.items()
    assert found[0].occurred_at == at(len(facts))


CONFIRM = {
    "rules": [
        {"rule": "sure", "when": 'grade == "A"'},
        {"rule": "perhaps", "when": "score >= 30", "confirm": True},
    ],
    "confirm_within": "2h",
}


def test_a_lead_that_meets_a_rule_to_be_confirmed_waits_for_a_person_and_is_asked_about_once() -> None:
    qualifier, ledger = a_qualifier(**CONFIRM), a_ledger(graded(35))
    (asked,) = decided(qualifier, ledger)
    assert asked.kind is lifecycle.FollowUpScheduled
    told = (asked.data["kind"], asked.data["owner"], asked.data["rule"], asked.data["policy_version"])
    assert told == (CONFIRMATION, "lee", "perhaps", "7")
    assert asked.data["due_at"] == at(1 + 120).isoformat()
    assert ledger.root(LEAD).state.status == "new"
    ledger.record(LEAD, Draft(lifecycle.LeadGraded, an_id(), at(5), an_id(), None, graded(50)[1]))
    assert decided(qualifier, ledger) == []


def test_a_persons_yes_names_what_it_confirms() -> None:
    ledger = a_ledger(graded(35))
    decided(a_qualifier(**CONFIRM), ledger)
    yes = decide_qualify(ledger.root(LEAD).state, Act(an_id(), at(9), "kim"))
    (told,) = confirming(ledger, LEAD, yes)
    assert told.data["rule"] == "perhaps"
    assert told.data["reason"] == "confirmed: score 35; rule 'perhaps': score >= 30"
    assert "automatic" not in told.data


def test_a_no_holds_until_the_lead_is_taken_up_again() -> None:
    qualifier, ledger = a_qualifier(**CONFIRM), a_ledger(graded(35))
    decided(qualifier, ledger)
    (asked,) = confirmations(ledger.facts(LEAD))
    ledger.record(
        LEAD, Draft(lifecycle.FollowUpCancelled, an_id(), at(6), an_id(), None, {"task_id": str(asked.task.task_id)})
    )
    assert decided(qualifier, ledger) == []
    ledger.record(LEAD, Draft(lifecycle.LeadArchived, an_id(), at(7), an_id(), None, {"reason": "other"}))
    ledger.record(LEAD, Draft(lifecycle.LeadReopened, an_id(), at(8), an_id(), None, {}))
    assert [draft.kind for draft in decided(qualifier, ledger)] == [lifecycle.FollowUpScheduled]


def test_what_qualifies_by_itself_meanwhile_need_not_be_confirmed_any_more() -> None:
    qualifier, ledger = a_qualifier(**CONFIRM), a_ledger(graded(35))
    decided(qualifier, ledger)
    ledger.record(LEAD, Draft(lifecycle.LeadGraded, an_id(), at(5), an_id(), None, graded(90, "A")[1]))
    assert [draft.kind for draft in decided(qualifier, ledger)] == [lifecycle.LeadQualified, lifecycle.FollowUpDone]
    assert not any(one.is_open for one in confirmations(ledger.facts(LEAD)))


def test_a_plain_rule_needs_no_story_and_one_on_activity_refuses_to_decide_without() -> None:
    plain, active = a_qualifier(min_score=40), a_qualifier(rules=[{"rule": "x", "when": "activity.any >= 0"}])
    assert (plain.asks_story, active.asks_story) == (False, True)
    assert len(decided(plain, a_ledger(graded(50), stored=True))) == 1
    with pytest.raises(LookupError):
        active.decide(a_ledger(graded(50), stored=True), LEAD, cause=an_id(), correlation_id=an_id())


PURPOSES = st.sampled_from(["contact", "newsletter"])
FACTS = st.lists(
    st.one_of(
        st.builds(graded, st.integers(0, 100), st.sampled_from("ABCD")),
        st.builds(touched, st.sampled_from(["call", "quote_request"])),
        st.builds(consent, PURPOSES, st.booleans()),
        st.just(("LeadAssigned", {"owner": "kim"})),
    ),
    max_size=8,
)
RULES = st.lists(
    st.builds(
        lambda when, confirm: {"when": when, "confirm": confirm},
        st.sampled_from(
            ["score >= 50", 'grade in ["A", "B"]', "activity.call >= 1", 'consent == "contact"', "not email is known"]
        ),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)


@given(FACTS, RULES, st.integers(0, 60))
def test_deciding_again_changes_nothing_and_each_decision_has_its_reason(
    facts: list[Any], rules: list[dict[str, Any]], floor: int
) -> None:
    named = [{"rule": f"r{place}", **one} for place, one in enumerate(rules)]
    qualifier, ledger = a_qualifier(rules=named, min_score=floor), a_ledger(*facts)
    found = decided(qualifier, ledger)
    assert decided(qualifier, ledger) == []
    assert len(found) <= 1
    for draft in found:
        rule = next(one for one in named if one["rule"] == draft.data["rule"])
        assert rule["when"] in draft.data["reason"]
        assert rule["confirm"] == (draft.kind is lifecycle.FollowUpScheduled)
        assert ledger.root(LEAD).state.graded.score >= floor  # type: ignore[union-attr]
        assert draft.occurred_at <= at(len(facts))


@pytest.mark.parametrize("how", ["done", "cancelled"])
def test_what_was_asked_is_closed_by_whatever_closes_its_task(how: str) -> None:
    ledger = a_ledger(graded(35))
    decided(a_qualifier(**CONFIRM), ledger)
    (asked,) = confirmations(ledger.facts(LEAD))
    cause = Cause(an_id(), an_id(), at(4))
    ledger.record(LEAD, done(cause, asked.task) if how == "done" else cancelled(cause, asked.task, "archived"))
    assert [one.is_open for one in confirmations(ledger.facts(LEAD))] == [False]
