"""Uploads: how they are asked for, what names them and their rows, how files are read piece by piece."""

from __future__ import annotations

import asyncio
import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture.api.upload_body import UploadBody
from services.capture.domain import Taken
from services.capture.domain.faults import Fault
from services.capture.domain.uploads import (
    Options,
    faulty_mappings,
    plain_filename,
    read_options,
    row_event_id,
    upload_id,
)
from services.capture.uploads.stretches import FileReader, fault_of
from shared.kit.errors import Rejected
from shared.tabular.apart import prepare_apart
from shared.tabular.converting import converter
from shared.tabular.errors import Unreadable
from shared.tabular.plain import Shape
from shared.tabular.preparing import Prepared
from shared.tabular.source import Position, SourceFile
from tests.unit.capture.fakes import decided

MAPPINGS = {"crm": "- name: Who\n"}


def test_options_are_read_and_a_named_mapping_becomes_its_text() -> None:
    options = read_options({"mapping": "crm", "live": "true", "zone": "Asia/Tehran", "sheet": ""}, MAPPINGS)
    assert options == Options(mapping="- name: Who\n", live=True, zone="Asia/Tehran")
    assert read_options({}, {}) == Options()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"live": "perhaps"}, "live"),
        ({"zone": "Mars/North"}, "zone"),
        ({"encoding": "base64"}, "encoding"),
        ({"delimiter": "::"}, "delimiter"),
        ({"channel": "x" * 201}, "channel"),
        ({"record": "a\x00b"}, "record"),
        ({"mapping": "crn"}, "mapping"),
        ({"mapping": "- nmae: Who"}, "mapping"),
        ({"mapping": "- [" + "x" * 100_001}, "mapping"),
    ],
)
def test_a_wrong_option_is_named_with_its_fix(given: dict[str, str], field: str) -> None:
    faults = read_options(given, MAPPINGS)
    assert isinstance(faults, tuple)
    (fault,) = faults
    assert isinstance(fault, Fault)
    assert fault.field == field
    assert fault.fix


def test_a_policy_whose_mappings_cannot_be_understood_is_told_by_name_and_line() -> None:
    assert faulty_mappings(MAPPINGS) == []
    (told,) = faulty_mappings({"good": MAPPINGS["crm"], "bad": "- name: Who\n- nmae: Who\n"})
    assert told.startswith("mappings.bad, line 2: `nmae` is no field of leads")


def test_a_job_is_named_by_sender_content_and_way_of_reading() -> None:
    name = upload_id("shop", "ab", Options(channel="fair"))
    assert name == upload_id("shop", "ab", Options(channel="fair"))
    others = [
        upload_id("store", "ab", Options(channel="fair")),
        upload_id("shop", "cd", Options(channel="fair")),
        upload_id("shop", "ab", Options(channel="phone")),
        upload_id("shop", "ab", Options(channel="fair", live=True)),
    ]
    assert len({name, *others}) == 5


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("leads.csv", "leads.csv"),
        ("C:\\Users\\ada\\leads.csv", "leads.csv"),
        ("/home/ada/leads.csv", "leads.csv"),
        ("a\nb\x00.csv", "a b.csv"),
        ("", "upload"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_filename_is_kept_without_its_folders_on_one_line(given: str, kept: str) -> None:
    assert plain_filename(given) == kept


texts = st.text(min_size=1, max_size=20)


@given(record=texts, unit=st.none() | texts, sender=st.sampled_from(["shop", "crm"]))
def test_a_rows_event_is_known_before_intake_decides(record: str, unit: str | None, sender: str) -> None:
    body: dict[str, Any] = {"name": "Ada", "record_id": record}
    if unit is not None:
        body["business_unit"] = unit
    decision = decided(body, sender=sender)
    if isinstance(decision, Taken) and decision.named:
        assert row_event_id(body, sender) == decision.event_id


rows = st.lists(
    st.tuples(st.text('ab,"\nü ', max_size=8), st.text("cd\n;", max_size=5)).filter(
        lambda row: any(map(str.strip, row))
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=60)
@given(rows=rows, steps=st.lists(st.integers(1, 7), min_size=1, max_size=6))
def test_a_file_read_in_stretches_and_begun_anew_anywhere_is_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], steps: list[int]
) -> None:
    path = tmp_path_factory.mktemp("file") / "rows"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "company"])
        writer.writerows(rows)
    with SourceFile(path, called="it") as source:
        convert = converter(source, Shape("leads"), None, called="it")
        whole = [(row.line, made.document) for row in source.rows() for made in convert(row) if made.fault is None]
    found, place, turn = [], Position(), 0
    while True:
        reader = FileReader(Prepared(path, "text", "utf-8"), Options(), may_backdate=True)
        reader.begin(place)
        stretch = reader.next(steps[turn % len(steps)])
        reader.close()
        if stretch is None:
            break
        assert stretch.before == place
        found += list(zip(stretch.lines, stretch.bodies, strict=True))
        place, turn = stretch.after, turn + 1
    assert found == whole


def test_a_fault_of_a_row_names_its_field() -> None:
    assert fault_of(3, "occurred_at: is no time") == {
        "line": 3,
        "field": "occurred_at",
        "fault": "is no time",
        "fix": "",
    }
    assert fault_of(3, "the line has 3 fields: too many")["field"] == ""


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="channel"\r\n\r\nfair\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n'
    b"name\r\nAda\r\n-\r\n--a is no boundary, nor --b\r\n"
    b"\r\n--b--\r\n"
)
CONTENT = b"name\r\nAda\r\n-\r\n--a is no boundary, nor --b\r\n"


async def taken(body: bytes, cuts: list[int], content_type: str, max_bytes: int = 1_000) -> Any:
    """A body that arrives in pieces: its file, its name, its options."""
    file = _File()
    taking = UploadBody(file, max_bytes, content_type, {"filename": "b.csv"})
    begin = 0
    for cut in [*sorted(cuts), len(body)]:
        taking.write(body[begin:cut])
        begin = max(begin, cut)
        await taking.relieve()
    filename, options = await taking.end()
    return file.getvalue(), filename, options


class _File(io.BytesIO):
    def fileno(self) -> int:
        return 1


@given(st.lists(st.integers(0, len(FORM)), max_size=12))
def test_however_a_form_arrives_its_file_is_the_same(cuts: list[int]) -> None:
    content, filename, options = asyncio.run(taken(FORM, cuts, "multipart/form-data; boundary=b"))
    assert content == CONTENT
    assert options == {"channel": "fair"}
    assert filename in ("a.csv", "b.csv")


async def test_a_file_that_is_too_large_is_refused_while_it_arrives() -> None:
    for content_type in ("multipart/form-data; boundary=b", "text/csv"):
        with pytest.raises(Rejected) as refused:
            await taken(FORM, [], content_type, max_bytes=len(CONTENT) - 1)
        assert refused.value.status == 413
    content, filename, options = await taken(CONTENT, [5], "text/csv", max_bytes=len(CONTENT))
    assert (content, filename, options) == (CONTENT, "b.csv", {})


async def test_a_file_is_made_ready_in_a_process_that_ends_when_nobody_waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("نام,x\nعلی,1\nسارا,2\n".encode("cp1256", "replace"))
    found = await prepare_apart(path, tmp_path / "rows")
    assert (found.form, found.rows) == ("text", 2)
    path.write_text("name\n")
    with pytest.raises(Unreadable, match="no row"):
        await prepare_apart(path, tmp_path / "rows")
    path.write_text("name\nAda\n")
    with pytest.raises(Unreadable, match="unpacks to more than"):
        await prepare_apart(path, tmp_path / "rows", max_bytes=3)
    with pytest.raises(Unreadable, match="cannot be read to its end"):
        await prepare_apart(path, tmp_path / "rows", within_seconds=0.001)
