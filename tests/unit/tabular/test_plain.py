"""Files whose columns already are fields need no mapping."""

from __future__ import annotations

import pytest

from shared.tabular.errors import Unreadable
from shared.tabular.fields import Unusable, row_digest
from shared.tabular.plain import Shape, check_columns, plain_event

LEADS = Shape("leads")
HISTORY = Shape("history")


def test_a_column_may_be_titled_as_people_title_columns() -> None:
    lead = plain_event({"E-mail": "a", "Job Title": "CFO", "attributes.employees": "40"}, LEADS)
    assert (lead["job_title"], lead["attributes"]) == ("CFO", {"employees": "40"})
    assert lead["E-mail"] == "a"  # nobody's field: capture keeps and flags it


def test_a_row_with_its_own_time_is_history_unless_it_is_said_to_be_live() -> None:
    row = {"email": "a@b.example", "occurred_at": "2026-01-01T00:00:00Z"}
    assert plain_event(row, LEADS)["historical"] is True
    assert "historical" not in plain_event(row, Shape("leads", live=True))
    assert "historical" not in plain_event({"email": "a@b.example"}, LEADS)


def test_a_record_is_named_by_its_column_else_by_what_it_says() -> None:
    row = {"email": "a@b.example", "external_id": "7"}
    assert plain_event(row, LEADS)["record_id"] == row_digest({"external_id": "7", "email": "a@b.example"})
    assert plain_event({**row, "record_id": "r-1"}, LEADS)["record_id"] == "r-1"
    assert plain_event(row, Shape("leads", record_column="external_id"))["record_id"] == "7"
    assert plain_event(row, LEADS)["record_id"] != plain_event({**row, "email": "c@d.example"}, LEADS)["record_id"]


@pytest.mark.parametrize(("word", "consent"), [("yes", True), ("TRUE", True), ("0", False), ("no", False)])
def test_consent_is_a_decision(word: str, consent: bool) -> None:
    assert plain_event({"email": "a", "consent": word}, LEADS)["consent"] is consent


def test_what_history_does_not_know_is_an_attribute() -> None:
    row = {"external_id": 7, "event": "won", "occurred_at": "2026-01-01", "amount": 12.5, "region": "North"}
    assert plain_event(row, HISTORY) == {
        "external_id": "7",
        "event": "won",
        "occurred_at": "2026-01-01T00:00:00",
        "amount": "12.5",
        "attributes": {"region": "North"},
    }


def test_lines_stand_for_the_amount_they_come_to_and_a_deal_may_be_in_any_pipeline() -> None:
    lines = '[{"product": "a", "unit_price": "9.50", "quantity": 2}]'
    row = {"external_id": "7", "event": "order_placed", "occurred_at": "2026-01-01", "lines": lines}
    assert plain_event(row, HISTORY)["lines"] == lines
    row = {"external_id": "7", "event": "opportunity_opened", "occurred_at": "2026-01-01", "Pipeline": "renewals"}
    assert plain_event(row, HISTORY)["pipeline"] == "renewals"


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("59.970000000000006", "59.97"), (0.1 + 0.2, "0.3"), ("0.0000004", "0"), ("-1.23456789", "-1.234568"), ("12.50", "12.50"),
        (1500, "1500"), ("1.5e3", "1.5e3"), ("1e-9", "0"), ("12345678901234.123456", "12345678901234.123456"), ("3e99999", "3e99999"),
    ],
)  # fmt: skip
def test_what_computing_leaves_behind_an_amount_goes(written: str | float, amount: str) -> None:
    row = {"external_id": "7", "event": "won", "occurred_at": "2026-01-01", "amount": written, "cost": written}
    event = plain_event(row, HISTORY)
    assert (event["amount"], event["cost"]) == (amount, amount)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"external_id": "7", "event": "wonn", "occurred_at": "2026-01-01"}, "did you mean won"),
        ({"external_id": "7", "event": "won"}, "occurred_at: is missing"),
        ({"external_id": "7", "event": "won", "occurred_at": "x"}, "occurred_at: is no ISO 8601 time"),
        ({"external_id": "7", "event": "stage_changed", "occurred_at": "2026-01-01"}, "stage: is missing"),
        ({"external_id": "7", "event": "order_placed", "occurred_at": "2026-01-01"}, "amount or lines: is missing"),
    ],
)
def test_a_row_of_history_that_says_too_little_is_unusable(row: dict[str, str], reason: str) -> None:
    with pytest.raises(Unusable, match=reason):
        plain_event(row, HISTORY)


@pytest.mark.parametrize(
    ("columns", "shape", "problem"),
    [
        (["email", "E_Mail", "Email"], LEADS, "both mean email"),
        (["id", "when"], HISTORY, "no column external_id, event, occurred_at"),
        (["a", "b"], LEADS, "None of the columns"),
        (["email"], Shape("leads", record_column="key"), "no column 'key'"),
    ],
)
def test_a_file_that_needs_a_mapping_is_told_so(columns: list[str], shape: Shape, problem: str) -> None:
    with pytest.raises(Unreadable, match=problem):
        check_columns(columns, shape)
