"""What is exported is whole, and runs nothing in whatever opens it."""

from __future__ import annotations

import csv
import io
import tempfile
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.export_rows import as_csv, as_ndjson, csv_header
from shared.cli.export import Records, Written
from shared.contracts.spreadsheets import as_it_was, cell, harmless

TEXTS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
ROWS = st.lists(st.fixed_dictionaries({"task_id": st.uuids().map(str), "name": TEXTS}), max_size=12)
COLUMNS = ("task_id", "name")


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=HYPERLINK(\"x\")", "＝1", "+31 6 call me"],
)  # fmt: skip
def test_a_text_that_would_be_run_is_text(text: str) -> None:
    assert harmless(text) == f"'{text}"


def test_what_would_be_run_behind_a_semicolon_is_text() -> None:
    assert harmless('x;=HYPERLINK("y");+31') == 'x;\'=HYPERLINK("y");+31'


@pytest.mark.parametrize("text", ["Ann", "+31612345678", "-12.50", "1,000", "a=b", "2026-03-02", "'quoted'", ""])
def test_what_runs_nothing_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


@given(TEXTS)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    said = cell(text)
    assert not said.startswith(("=", "@")) and (not said.startswith(("+", "-")) or any(one.isdigit() for one in said))  # noqa: PT018


@given(TEXTS | st.text(alphabet="=-+@';1a\t ", max_size=8))
def test_every_text_is_known_again_by_its_cell(text: str) -> None:
    assert as_it_was(harmless(text)) == text


@pytest.mark.parametrize("name", ["x;-a", "'=a", "=a", "-5", "'-5", "x;'-a"])
def test_an_export_that_was_cut_short_goes_on_from_the_name_that_there_is(name: str) -> None:
    columns = ("business_unit", "opportunity_id")
    with tempfile.TemporaryFile() as file:
        row = {"business_unit": "north", "opportunity_id": name}
        file.write(csv_header(columns) + as_csv([row], columns))
        written = Written(file, "opportunities", "csv")
        written.take_up()
        assert written.key() == ["north", name]


def test_a_person_has_columns_of_their_own_and_the_rest_beside() -> None:
    row = {"lead_id": "1", "personal": {"name": "Ann", "email": "ann@x.example", "gclid": "z"}}
    columns = ("lead_id", "personal")
    header, line = csv.reader(io.StringIO((csv_header(columns) + as_csv([row], columns)).decode(), newline=""))
    told = dict(zip(header, line, strict=True))
    assert (told["name"], told["email"], told["phone"]) == ("Ann", "ann@x.example", "")
    assert orjson.loads(told["personal"]) == {"gclid": "z"}


@given(ROWS, st.integers(1, 40), st.sampled_from(["csv", "ndjson"]))
def test_however_a_stream_is_cut_the_records_are_whole_and_the_last_key_is_known(
    rows: list[dict[str, Any]], size: int, form: str
) -> None:
    stream = csv_header(COLUMNS) + as_csv(rows, COLUMNS) if form == "csv" else as_ndjson(rows)
    records = Records(form)
    found = [
        record for at in range(0, len(stream), size) for record in records.cut(stream[at : at + size])
    ]  # fmt: skip
    assert b"".join(found) == stream
    assert len(found) == len(rows) + (form == "csv")
    for cut in {0, len(stream) // 3, len(stream) // 2, len(stream)}:
        with tempfile.TemporaryFile() as file:
            file.write(stream[:cut])
            written = Written(file, "tasks", form)
            written.take_up()
            assert written.rows <= len(rows)
            key = [rows[written.rows - 1]["task_id"]] if written.rows else None
            assert written.key() == key
            rest = rows[written.rows :]
            header = csv_header(COLUMNS) if written.key() is None and form == "csv" else b""
            if header:
                file.seek(0)
                file.truncate()
            file.write(header + as_csv(rest, COLUMNS) if form == "csv" else as_ndjson(rest))
            file.seek(0)
            assert file.read() == stream
