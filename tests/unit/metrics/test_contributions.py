"""What facts count as: each rule of KPIS as one small story."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.metrics.domain.contributions import contributions_by
from services.metrics.domain.entries import Measure
from shared.contracts.policy import UnitPolicy
from tests.unit.metrics.stories import Told, day, lead_id, the_only

DAY = 86_400.0


def told() -> Told:
    return Told().tell("a", "LeadCreated", 1, channel="web_form", source="search", campaign="spring")


def test_a_new_lead_counts_once_with_its_first_touch() -> None:
    created, stands = told().entries(Measure.LEAD_CREATED, Measure.LEAD_OPEN)
    assert (stands.measure, stands.stage, stands.at) == (Measure.LEAD_OPEN, "new", day(1))
    assert (created.measure, created.at) == (Measure.LEAD_CREATED, day(1))
    assert (created.dims.channel, created.dims.source, created.dims.campaign) == ("web_form", "search", "spring")


def test_what_is_given_at_the_moment_of_creation_holds_at_creation() -> None:
    story = (
        told().tell("a", "LeadGraded", 1, score=70, grade="A").tell("a", "LeadAssigned", 1, owner="kim", team="west")
    )
    created = the_only(story.entries(Measure.LEAD_CREATED))
    assert (created.dims.grade, created.dims.owner, created.dims.team) == ("A", "kim", "west")


def test_an_explicit_creation_beats_an_implied_one_however_late() -> None:
    story = Told().tell("a", "LeadCreated", 3, implied=True).tell("a", "OpportunityOpened", 3, opportunity_id="o")
    assert the_only(story.entries(Measure.LEAD_CREATED)).at == day(3)
    story.tell("a", "LeadTouched", 5, kind="captured", channel="phone")
    assert the_only(story.entries(Measure.LEAD_CREATED)).at == day(5)
    assert the_only(story.entries(Measure.LEAD_CREATED, as_of=4)).at == day(3)
    converted = the_only(story.entries(Measure.COHORT_CONVERTED))
    assert (converted.duration_seconds, converted.negative) == (None, True)


def test_the_first_of_two_explicit_creations_is_the_creation() -> None:
    story = told().tell("a", "LeadTouched", 0.5, kind="captured", channel="phone")
    created = the_only(story.entries(Measure.LEAD_CREATED))
    assert (created.at, created.dims.channel) == (day(0.5), "phone")


def test_qualifying_again_counts_once() -> None:
    story = told().tell("a", "LeadQualified", 3).tell("a", "LeadQualified", 9)
    assert the_only(story.entries(Measure.LEAD_QUALIFIED)).at == day(3)
    assert the_only(story.entries(Measure.COHORT_QUALIFIED)).duration_seconds == 2 * DAY


def test_a_reopened_lead_leaves_archived_and_was_there_before() -> None:
    story = told().tell("a", "LeadArchived", 4, reason="no budget").tell("a", "LeadReopened", 6)
    assert story.entries(Measure.LEAD_ARCHIVED, Measure.ARCHIVED_BEFORE_CONVERTED) == []
    assert the_only(story.entries(Measure.LEAD_ARCHIVED, as_of=5)).reason == "no budget"
    assert story.entries(Measure.LEAD_ARCHIVED, as_of=6) == []


def test_who_is_put_aside_is_turned_down_unless_they_had_qualified() -> None:
    refused = told().tell("a", "LeadArchived", 4, reason="no budget")
    entry = the_only(refused.entries(Measure.LEAD_TURNED_DOWN))
    assert (entry.at, entry.reason) == (day(4), "no budget")
    assert refused.tell("a", "LeadQualified", 5).entries(Measure.LEAD_TURNED_DOWN) == []
    later = refused.tell("a", "LeadArchived", 9, reason="other")
    assert later.entries(Measure.LEAD_TURNED_DOWN) == []
    assert the_only(later.entries(Measure.LEAD_ARCHIVED)).at == day(9)


@pytest.mark.parametrize(
    ("event", "data"),
    [("LeadQualified", {}), ("OrderPlaced", {"amount": "1"}), ("OpportunityWon", {"opportunity_id": "o"})],
)
def test_a_lead_that_is_worked_again_is_not_archived(event: str, data: dict[str, str]) -> None:
    story = told().tell("a", "LeadArchived", 4, reason="other").tell("a", event, 8, **data)
    assert story.entries(Measure.LEAD_ARCHIVED) == []


def test_an_opportunity_reopens_an_archived_lead_without_a_word() -> None:
    story = told().tell("a", "LeadArchived", 4, reason="other").tell("a", "OpportunityOpened", 8, opportunity_id="o")
    assert story.entries(Measure.LEAD_ARCHIVED) == []
    assert the_only(story.entries(Measure.COHORT_CONVERTED)).duration_seconds == 7 * DAY
    assert the_only(story.entries(Measure.ARCHIVED_BEFORE_CONVERTED, as_of=7)).duration_seconds == 3 * DAY


def test_won_without_opened_opens_it() -> None:
    story = told().tell("a", "OpportunityWon", 4, opportunity_id="o", amount="100.50", currency="USD")
    assert the_only(story.entries(Measure.OPPORTUNITY_OPENED)).at == day(4)
    won = the_only(story.entries(Measure.OPPORTUNITY_WON))
    assert (won.amount, won.currency, won.duration_seconds) == (Decimal("100.50"), "USD", 0)
    assert the_only(story.entries(Measure.LEAD_CUSTOMER)).duration_seconds == 3 * DAY


def deal() -> Told:
    return told().tell("a", "OpportunityOpened", 2, opportunity_id="o", stage="discovery", position=0, amount="80")


def moved(story: Told, on: float, stage: str, position: int | None = None) -> Told:
    return story.tell("a", "StageChanged", on, opportunity_id="o", stage=stage, position=position)


def test_the_same_stage_again_opens_no_new_spell() -> None:
    story = moved(moved(deal(), 4, "discovery", 0), 7, "proposal", 1)
    spell = the_only(story.entries(Measure.STAGE_SPELL))
    assert (spell.stage, spell.duration_seconds) == ("discovery", 5 * DAY)
    still_open = the_only(story.entries(Measure.OPPORTUNITY_OPEN))
    assert (still_open.stage, still_open.at) == ("proposal", day(7))


def test_each_return_to_a_stage_is_a_spell_and_one_entry() -> None:
    story = moved(moved(moved(deal(), 4, "proposal", 1), 5, "discovery", 0), 9, "proposal", 1)
    spells = sorted((one.stage, one.duration_seconds) for one in story.entries(Measure.STAGE_SPELL))
    assert spells == [("discovery", 2 * DAY), ("discovery", 4 * DAY), ("proposal", 1 * DAY)]
    assert sorted(one.stage or "" for one in story.entries(Measure.STAGE_ENTERED)) == ["discovery", "proposal"]


def test_a_loss_keeps_the_stage_its_reason_and_the_last_amount() -> None:
    story = moved(deal(), 4, "proposal", 1).tell("a", "AmountChanged", 5, opportunity_id="o", amount="60")
    story.tell("a", "OpportunityLost", 6, opportunity_id="o", reason="price")
    lost = the_only(story.entries(Measure.OPPORTUNITY_LOST))
    assert (lost.stage, lost.reason, lost.amount) == ("proposal", "price", Decimal(60))
    assert the_only(story.entries(Measure.STAGE_DROPPED)).stage == "proposal"
    assert the_only(story.entries(Measure.FAILED_BEFORE_CUSTOMER)).at == day(6)
    assert story.entries(Measure.OPPORTUNITY_OPEN) == []


def test_a_loss_that_says_an_amount_is_worth_what_there_was_to_win() -> None:
    story = deal().tell("a", "OpportunityLost", 6, opportunity_id="o", amount="0", currency="USD")
    lost = the_only(story.entries(Measure.OPPORTUNITY_LOST))
    assert (lost.amount, lost.currency) == (Decimal(80), "EUR")
    story.tell("a", "OpportunityLost", 6, opportunity_id="untold", amount="70", currency="USD")
    untold = next(one for one in story.entries(Measure.OPPORTUNITY_LOST) if one.key.endswith("untold"))
    assert (untold.amount, untold.currency) == (Decimal(70), "USD")


def test_notes_and_contacts_of_both_directions_are_activities_and_only_reaching_out_is_a_contact() -> None:
    story = told().tell("a", "LeadAssigned", 1, owner="kim", team="west").tell("a", "NoteAdded", 2, actor="ali")
    story.tell("a", "NoteAdded", 2).tell("a", "ContactAttempted", 3, kind="call", outbound=False, duration_seconds=600)
    activities = {
        (one.reason, one.dims.owner, one.dims.team, one.duration_seconds) for one in story.entries(Measure.ACTIVITY)
    }
    assert activities == {("note", "ali", None, None), ("note", "kim", "west", None), ("call", "kim", "west", 600)}
    assert len(story.entries(Measure.ACTIVITY)) == 3
    assert story.entries(Measure.COHORT_CONTACTED) == []
    story.tell("a", "ContactAttempted", 4, kind="call", duration_seconds=60)
    assert the_only(story.entries(Measure.COHORT_CONTACTED)).at == day(4)
    assert len(story.entries(Measure.ACTIVITY)) == 4


def test_a_message_that_was_withdrawn_is_nobody_s_first_contact() -> None:
    story = (
        told()
        .tell("a", "ContactAttempted", 2, kind="email", message_id="m")
        .tell("a", "ContactAttempted", 4, kind="call")
    )
    story.tell("a", "ContactAttempted", 3, kind="email", message_id="m", outcome="withdrawn")
    assert the_only(story.entries(Measure.COHORT_CONTACTED)).at == day(4)
    assert the_only(story.entries(Measure.COHORT_CONTACTED, as_of=2.5)).at == day(2)
    assert story.entries(Measure.COHORT_CONTACTED, as_of=3.5) == []


def test_a_stage_change_after_a_loss_reopens_the_deal() -> None:
    story = deal().tell("a", "OpportunityLost", 6, opportunity_id="o", reason="price")
    moved(story, 8, "discovery", 0)
    assert story.entries(Measure.OPPORTUNITY_LOST, Measure.STAGE_DROPPED, Measure.FAILED_BEFORE_CUSTOMER) == []
    assert the_only(story.entries(Measure.OPPORTUNITY_OPEN)).at == day(8)
    assert the_only(story.entries(Measure.OPPORTUNITY_LOST, as_of=7)).reason == "price"


def test_a_deal_that_was_handed_over_counts_for_whom_had_it_when() -> None:
    story = told().tell("a", "OpportunityOpened", 2, opportunity_id="o", stage="discovery", owner="kim", team="north")
    story.tell("a", "OpportunityAssigned", 4, opportunity_id="o", owner="lee").tell(
        "a", "OpportunityWon", 6, opportunity_id="o"
    )
    opened, won = the_only(story.entries(Measure.OPPORTUNITY_OPENED)), the_only(story.entries(Measure.OPPORTUNITY_WON))
    assert [(one.dims.owner, one.dims.team) for one in (opened, won)] == [("kim", "north"), ("lee", None)]
    assert the_only(story.entries(Measure.OPPORTUNITY_OPEN, as_of=3)).dims.owner == "kim"


def test_amounts_after_the_close_do_not_change_it() -> None:
    story = deal().tell("a", "OpportunityWon", 6, opportunity_id="o")
    story.tell("a", "AmountChanged", 7, opportunity_id="o", amount="1")
    assert the_only(story.entries(Measure.OPPORTUNITY_WON)).amount == Decimal(80)


@pytest.mark.parametrize(
    ("moves", "advanced"),
    [
        ([("proposal", 1)], {"discovery"}),
        ([("contract", 3)], {"discovery"}),
        ([("contract", 3), ("proposal", 1)], {"discovery"}),
        ([("review", None)], {"discovery"}),
        ([("review", None), ("discovery", 0)], {"discovery"}),
        ([("review", None), ("proposal", 1)], {"discovery", "review"}),
        ([], set()),
    ],
)
def test_a_later_stage_is_one_of_a_higher_place_or_one_never_seen_before(
    moves: list[tuple[str, int | None]], advanced: set[str]
) -> None:
    story = deal()
    for number, (stage, position) in enumerate(moves):
        moved(story, 3 + number, stage, position)
    assert {one.stage for one in story.entries(Measure.STAGE_ADVANCED)} == advanced


def test_won_is_later_than_every_stage() -> None:
    story = moved(deal(), 4, "contract", 3).tell("a", "OpportunityWon", 6, opportunity_id="o")
    assert {one.stage for one in story.entries(Measure.STAGE_ADVANCED)} == {"discovery", "contract"}


def test_ties_are_told_in_the_order_of_versions() -> None:
    story = moved(moved(deal(), 4, "proposal", 1), 4, "negotiation", 2)
    story.tell("a", "OpportunityWon", 4, opportunity_id="o")
    spells = {one.stage: one.duration_seconds for one in story.entries(Measure.STAGE_SPELL)}
    assert spells == {"discovery": 2 * DAY, "proposal": 0, "negotiation": 0}
    assert the_only(story.entries(Measure.OPPORTUNITY_WON)).stage == "negotiation"


def test_an_opportunity_has_its_own_owner_and_else_the_lead_s() -> None:
    story = told().tell("a", "LeadAssigned", 1, owner="kim", team="west")
    story.tell("a", "OpportunityOpened", 2, opportunity_id="o").tell("a", "LeadAssigned", 3, owner="ali")
    story.tell("a", "OpportunityWon", 4, opportunity_id="o", owner="bo", product="tools")
    opened, won = the_only(story.entries(Measure.OPPORTUNITY_OPENED)), the_only(story.entries(Measure.OPPORTUNITY_WON))
    assert (opened.dims.owner, opened.dims.team) == ("kim", "west")
    assert (won.dims.owner, won.dims.product, won.dims.channel) == ("bo", "tools", "web_form")
    assert the_only(story.entries(Measure.COHORT_CUSTOMER)).dims.owner == "kim"


def test_the_customer_is_made_by_the_first_win_that_stands() -> None:
    story = deal().tell("a", "OpportunityWon", 6, opportunity_id="o").tell("a", "OpportunityWon", 7, opportunity_id="p")
    moved(story, 8, "discovery", 0)
    assert the_only(story.entries(Measure.LEAD_CUSTOMER)).at == day(7)
    assert the_only(story.entries(Measure.LEAD_CUSTOMER, as_of=7.5)).at == day(6)


def test_a_merged_lead_counts_once_by_its_earliest_facts() -> None:
    story = told().tell("b", "LeadCreated", 0, channel="phone").tell("b", "LeadMerged", 5, into_lead_id="irrelevant")
    created = the_only(story.entries(Measure.LEAD_CREATED))
    assert (created.at, created.dims.channel) == (day(0), "phone")


def test_the_grade_of_a_person_is_that_of_the_canonical_id_whatever_merged_ids_were_graded() -> None:
    story = told().tell("b", "LeadGraded", 2, score=5, grade="D").tell("a", "LeadGraded", 3, score=70, grade="A")
    story.tell("b", "LeadGraded", 3, score=20, grade="C").tell("a", "OpportunityOpened", 4, opportunity_id="o")
    assert the_only(story.entries(Measure.LEAD_CONVERTED)).dims.grade == "A"


def test_who_was_met_in_two_units_counts_by_the_rules_of_the_first_whatever_is_read_first() -> None:
    here, there = Told("berlin"), Told("tehran")
    here.tell("a", "LeadCreated", 0).tell("a", "OrderPlaced", 3, order_id="one", amount="100")
    there.tell("b", "LeadCreated", 1).tell("b", "LeadMerged", 2, into_lead_id=str(lead_id("a")))

    def rules(unit: str) -> UnitPolicy:
        return UnitPolicy(currency={"berlin": "EUR", "tehran": "IRR"}[unit])

    facts = [*here.facts, *there.facts]
    found = [contributions_by(lead_id("a"), told, rules) for told in (facts, facts[::-1])]
    assert found[0] == found[1]
    assert {one.currency for one in found[0] if one.measure == Measure.CUSTOMER_REVENUE} == {"EUR"}
