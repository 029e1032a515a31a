"""How a row of somebody's history is read."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.capture.domain.fields import LEAD_TEXTS
from services.pipeline.domain.amounts import normal_amount
from services.pipeline.domain.history_import import record_row
from services.pipeline.domain.history_rows import EVENTS, HistoryRow, read_row
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.refusals import Refused
from services.pipeline.storage.rows import published
from shared.contracts.envelope import LifecycleEvent, Money
from shared.contracts.policy import Policy
from shared.contracts.topics import PIPELINE_LIFECYCLE
from tests.unit.pipeline.builders import POLICY, an_id

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def read(**raw: Any) -> HistoryRow:
    row = {"external_id": "c1", "event": "won", "occurred_at": "2026-01-01", **raw}
    return read_row(row, place=0, sender="import", policy=POLICY, now=NOW)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-01-01", "2025-12-31T23:00:00+00:00"),
        ("2026-07-01T10:00:00"[:10].replace("07", "05"), "2026-04-30T22:00:00+00:00"),
        ("2026-03-01T09:30:00", "2026-03-01T08:30:00+00:00"),
        ("2026-03-01 09:30", "2026-03-01T08:30:00+00:00"),
        ("2026-03-01T09:30:00Z", "2026-03-01T09:30:00+00:00"),
        ("2026-03-01T09:30:00.5+03:30", "2026-03-01T06:00:00.500000+00:00"),
    ],
)
def test_a_time_without_an_offset_is_the_units(written: str, meant: str) -> None:
    assert read(occurred_at=written).occurred_at.isoformat() == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [("1500.00", "1500"), (1500, "1500"), ("1.5e3", "1500"), (0.1, "0.1"), ("-0.0", "0"), ("1,000", None), ("NaN", None),
     ("1.1234567", None), ("1" * 16, None), (True, None), (None, None)],
)  # fmt: skip
def test_one_amount_has_one_spelling(written: object, meant: str | None) -> None:
    assert normal_amount(written) == meant


@pytest.mark.parametrize(
    "written",
    ["1e-999999999999999", "1e-99999999", "0e-999999999", "-0e-9999999", "0e999999999", "1e999999999", "1" * 5000, 10**4000,
     Decimal("1e-9999999"), "1e-30"],
)  # fmt: skip
def test_an_amount_that_cannot_be_written_out_costs_nothing(written: object) -> None:
    tracemalloc.start()
    try:
        assert normal_amount(written) in (None, "0")
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_what_is_nested_beyond_reading_is_a_refused_row() -> None:
    with pytest.raises(Refused, match="no product lines"):
        read(event="order_placed", lines="[" * 100_000)
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(Refused, match="no product lines"):
        read(event="order_placed", lines=nested)
    with pytest.raises(Refused, match="nested too deeply"):
        read(attributes=nested)


@pytest.mark.parametrize(
    "raw",
    [{"event": "order_placed", "amount": "-1"}, {"event": "order_placed", "amount": "1", "cost": "-0.5"},
     {"event": "order_placed", "lines": [{"product": "x", "unit_price": "-50"}]},
     {"event": "order_refunded", "order_id": "o", "amount": "-1"}],
)  # fmt: skip
def test_no_order_of_history_is_worth_less_than_nothing(raw: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="less than nothing"):
        read(**raw)
    assert read(event="amount_changed", opportunity_id="d", amount="-1").values["amount"] == "-1"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**14), max_value=10**14, places=4))
def test_every_amount_taken_is_money_of_the_contract(amount: Any) -> None:
    normal = normal_amount(amount)
    assert normal is not None
    assert TypeAdapter(Money).validate_python(normal) == normal
    assert normal_amount(normal) == normal


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"external_id": " "}, "external_id"),
        ({"event": None}, "event"),
        ({"occurred_at": "01/02/2026"}, "occurred_at"),
        ({"occurred_at": "2026-06-01T00:11:00Z"}, "occurred_at"),
        ({"occurred_at": "0001-01-01T00:00:00Z"}, "occurred_at"),
        ({"expected_close": "9999-12-31T23:00:00Z"}, "expected_close"),
        ({"amount": {}}, "amount"),
        ({"currency": "euro"}, "currency"),
        ({"stage": "x" * 201}, "stage"),
        ({"owner": "a\x00b"}, "owner"),
        ({"event": "satisfaction", "value": "good"}, "value"),
        ({"event": "stage_changed"}, "stage"),
        ({"business_unit": ["x"]}, "business_unit"),
    ],
)
def test_a_wrong_row_names_its_field(raw: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        read(**raw)
    assert refused.value.field == field
    assert refused.value.fix


def test_the_id_is_of_the_record_where_there_is_one_and_of_the_facts_where_not() -> None:
    assert read(amount="10").event_id == read(amount="10.00").event_id
    assert read(amount="10").event_id != read(amount="11").event_id
    assert read(record_id="r", amount="10").event_id == read(record_id="r", amount="11").event_id
    assert read(record_id="r", amount="10").fingerprint != read(record_id="r", amount="11").fingerprint
    assert read(business_unit="tehran").event_id != read().event_id


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("known", [True, False])
def test_every_event_becomes_a_lifecycle_event_of_the_contract(event: str, known: bool) -> None:
    ledger = Ledger()
    lead_id = an_id()
    unit = POLICY.unit("default")
    if known:
        record_row(ledger, lead_id, read(event="lead_created"), sender="import", unit=unit)
    row = read(
        event=event, stage="proposal", amount="5", owner="kim", value="4", expected_close="2026-09-01", channel="chat",
        record_id="r", order_id="o", opportunity_id="d",
    )  # fmt: skip
    record_row(ledger, lead_id, row, sender="import", unit=unit)
    assert len(ledger.entries) == (1 if event == "lead_created" and not known else 2)
    for entry in ledger.entries:
        said = PIPELINE_LIFECYCLE.parse(published(entry, NOW, orjson.dumps(entry.fact.data)))
        assert isinstance(said, LifecycleEvent)
        assert (said.historical, said.version, said.business_unit) == (True, entry.fact.version, "default")
    assert ledger.entries[-1].fact.event_id == row.event_id


@pytest.mark.parametrize(
    ("written", "known_as"),
    [
        ("\u200fA-17", "A-17"),
        ("A\u200c-17\ufeff", "A-17"),
        ("e\u0301-1", "é-1"),
        (17.0, "17"),
        (17, "17"),
        ("17.0", "17.0"),
    ],
)
def test_a_leads_id_is_read_as_capture_reads_it(written: Any, known_as: str) -> None:
    faults: list[Any] = []
    assert LEAD_TEXTS["external_id"].read(written, faults) == known_as
    assert read(external_id=written).external_id == known_as
    assert not faults


@pytest.mark.parametrize("written", ["\u200f", 2.0**60])
def test_an_id_of_nothing_and_one_that_lost_digits_are_refused(written: Any) -> None:
    with pytest.raises(Refused, match="external_id"):
        read(external_id=written)


MENDED = {
    "zone": POLICY.model_copy(update={"defaults": POLICY.defaults.model_copy(update={"time_zone": "Asia/Tehran"})}),
    "currency": POLICY.model_copy(update={"defaults": POLICY.defaults.model_copy(update={"currency": "USD"})}),
}
OPEN = {"event": "order_placed", "occurred_at": "2026-01-02 10:00", "amount": "5", "runs_until": "2027-01-01"}


@pytest.mark.parametrize("mended", MENDED.values(), ids=MENDED)
@pytest.mark.parametrize("record_id", [None, "r1"])
def test_a_row_is_the_same_row_whatever_the_policy_makes_of_it(mended: Policy, record_id: str | None) -> None:
    raw = {"external_id": "c1", **OPEN, **({"record_id": record_id} if record_id else {})}
    before, after = (read_row(raw, place=0, sender="import", policy=one, now=NOW) for one in (POLICY, mended))
    assert (before.occurred_at, before.values) != (after.occurred_at, after.values)
    assert after.event_id == before.event_id
    assert not after.contradicts(before.fingerprint)


def test_a_row_that_was_known_by_what_the_policy_made_of_it_still_is() -> None:
    """As rows were recorded before they were known by what they say."""
    left_open = read(event="order_placed", occurred_at="2026-01-02 10:00", amount="5")
    assert UUID("d079fd9d-3028-598a-9f6f-c4650c311402") in left_open.event_ids
    assert not left_open.contradicts("ca63fcf0648e6b82")
    assert left_open.contradicts("0000000000000000")
    told = read(event="order_placed", occurred_at="2026-01-02T10:00:00Z", amount="5", currency="EUR")
    assert told.event_ids == (UUID("ec19b7ba-28f8-54d6-bb0a-c69b9719578d"),)
