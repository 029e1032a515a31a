"""What the record of a lead lacks, and which delays stand around a place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.entries import Measure
from services.metrics.domain.quality import lacking
from services.metrics.domain.quality_answers import place_of, records
from services.metrics.domain.sketches import neighbours
from tests.unit.metrics.stories import Told, day, the_only

UNTOLD, EMAIL, PHONE = Measure.LEAD_UNTOLD, Measure.LEAD_WITHOUT_EMAIL, Measure.LEAD_WITHOUT_PHONE
SOURCE, UNREACHABLE = Measure.LEAD_WITHOUT_SOURCE, Measure.LEAD_UNREACHABLE


@pytest.mark.parametrize(
    ("contacts", "sourced", "wanted"),
    [
        (("email", "phone"), True, ()),
        (("email",), True, (PHONE,)),
        (("phone",), False, (EMAIL, SOURCE)),
        ((), True, (EMAIL, PHONE, UNREACHABLE)),
        ((), False, (EMAIL, PHONE, SOURCE)),
        (None, True, (UNTOLD, UNREACHABLE)),
        (None, False, (UNTOLD, SOURCE)),
    ],
)
def test_each_thing_that_a_lead_lacks_is_counted_by_itself(
    contacts: tuple[str, ...] | None, sourced: bool, wanted: tuple[Measure, ...]
) -> None:
    assert lacking(None if contacts is None else frozenset(contacts), sourced=sourced) == wanted


@given(st.lists(st.tuples(st.none() | st.frozensets(st.sampled_from(("email", "phone"))), st.booleans()), max_size=30))
def test_leads_that_are_good_are_those_of_a_source_but_for_those_that_cannot_be_reached(
    leads: list[tuple[frozenset[str] | None, bool]],
) -> None:
    numbers = {Measure.LEAD_CREATED: len(leads)}
    for contacts, sourced in leads:
        for measure in lacking(contacts, sourced=sourced):
            numbers[measure] = numbers.get(measure, 0) + 1
    found = records(numbers)
    assert found.sourced - found.sourced_only == sum(bool(contacts) and sourced for contacts, sourced in leads)
    told = [contacts for contacts, _ in leads if contacts is not None]
    assert found.created - found.untold - found.without_phone == sum("phone" in contacts for contacts in told)


@given(st.lists(st.integers(61, 90), min_size=1, max_size=40), st.data())
def test_neighbours_are_those_of_the_values_in_their_order(values: list[int], data: st.DataObject) -> None:
    below = data.draw(st.integers(0, len(values) - 1))
    ordered = sorted(values)
    counts = {float(value): values.count(value) for value in values}
    assert neighbours(counts, below) == (ordered[below], ordered[min(below + 1, len(values) - 1)])


def test_a_lead_that_was_told_of_late_is_cut_at_each_moment_as_the_lead_is() -> None:
    told = Told().tell("a", "LeadCreated", 1).tell("a", "LeadTouched", 5, channel="email", campaign="spring")
    told.facts[0] = told.facts[0]._replace(recorded_at=day(2))
    for as_of, campaign in ((3, None), (6, "spring"), (None, "spring")):
        late = the_only(told.entries(Measure.LEAD_LATE, as_of=as_of))
        created = the_only(told.entries(Measure.LEAD_CREATED, as_of=as_of))
        assert (late.dims, late.duration_seconds, late.at) == (created.dims, 86_400, day(1))
        assert late.dims.campaign == campaign


def test_where_few_are_late_the_percentile_is_among_those_told_at_once() -> None:
    assert place_of(100, 4) < 0 <= place_of(100, 6)
