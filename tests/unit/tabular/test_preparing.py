"""Any file of rows becomes one that can be read from any place: encodings, packed files, spreadsheets."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.tabular.converting import converter
from shared.tabular.encodings import encoding_of, known_encoding
from shared.tabular.errors import Unreadable
from shared.tabular.fields import read_time
from shared.tabular.mapping_file import parse_mapping
from shared.tabular.plain import Shape
from shared.tabular.preparing import needs_preparing, prepare
from shared.tabular.source import Row
from shared.tabular.spreadsheet import check_archive
from tests.support.workbooks import write_workbook

PERSIAN = "نام,ایمیل\nعلی کریمی,ali@example.com\nزهرا گلچین,zahra@example.com\n"
HEBREW = "שם,email\nדוד לוי,david@example.com\nשרה כהן,sara@example.com\n"
FRENCH = "nom,email\nZoé Lefèvre,zoe@example.com\nFrançois Besançon,f@example.com\n"


def rows_of(path: Path, **given: Any) -> list[Row]:
    """The rows of a file that was made ready."""
    copy = prepare(path, path.with_suffix(".ready"), **given)
    with copy.open() as source:
        return list(source.rows())


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("text", "encoding", "found"),
    [
        (PERSIAN, "utf-8", "utf-8"),
        (PERSIAN, "utf-8-sig", "utf-8-sig"),
        (PERSIAN, "utf-16", "utf-16"),
        (HEBREW, "utf-16-be", "utf-16-be"),
        (FRENCH, "utf-16-le", "utf-16-le"),
        (PERSIAN.replace("ی", "ي"), "cp1256", "cp1256"),
        (HEBREW, "cp1255", "cp1255"),
        (FRENCH, "cp1252", "cp1252"),
        ("name,email\nAda,ada@example.com\n", "ascii", "utf-8"),
    ],
)
def test_an_encoding_is_found_out_and_the_text_is_read(tmp_path: Path, text: str, encoding: str, found: str) -> None:
    raw = text.encode(encoding)
    assert encoding_of(raw) == found
    rows = rows_of(written(tmp_path / "people.csv", raw))
    header, first, *_ = text.splitlines()
    assert rows[0].columns == dict(zip(header.split(","), first.split(","), strict=True))


def test_a_named_encoding_goes_before_what_the_bytes_look_like(tmp_path: Path) -> None:
    path = written(tmp_path / "people.csv", "name\nДмитрий\n".encode("koi8-r"))
    assert rows_of(path, encoding="KOI8-R")[0].columns == {"name": "Дмитрий"}
    packed = written(tmp_path / "people.csv.gz", gzip.compress("name\nДмитрий\n".encode("koi8-r")))
    assert needs_preparing(packed, "koi8-r")
    assert rows_of(packed, encoding="koi8-r")[0].columns == {"name": "Дмитрий"}


@pytest.mark.parametrize(
    "name", ["utf-99", "rot13", "base64", "hex", "unicode_escape", "utf-7", "idna", "", "\x00", "x" * 999]
)
def test_what_is_no_encoding_of_files_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no encoding"):
        known_encoding(name)


def test_a_file_that_can_be_read_is_left_alone(tmp_path: Path) -> None:
    assert not needs_preparing(written(tmp_path / "a.csv", PERSIAN.encode()))
    assert not needs_preparing(written(tmp_path / "a.csv.gz", gzip.compress(PERSIAN.encode())))
    assert needs_preparing(written(tmp_path / "b.csv", PERSIAN.encode("utf-16")))


def test_one_bad_byte_costs_one_character_not_the_file(tmp_path: Path) -> None:
    raw = "name\nAda\n".encode("utf-16") + b"\x00\xd8x\x00\n\x00"
    rows = rows_of(written(tmp_path / "a.csv", raw))
    assert [row.columns["name"] for row in rows] == ["Ada", "\ufffdx"]
    good = PERSIAN.encode() + b"\xff\xfe,x@example.com\n"
    assert [row.fault is None for row in rows_of(written(tmp_path / "b.csv", good), encoding="utf-8")] == [
        True,
        True,
        False,
    ]


def test_a_sheets_row_number_is_its_line_and_its_cells_keep_their_kinds(tmp_path: Path) -> None:
    path = write_workbook(
        tmp_path / "people.xlsx",
        (
            "Leads",
            [
                [],
                ["Name", "Email", "Employees", "Score", "Met", "VIP", "Phone"],
                ["Ada", "ada@example.com", 250, 0.5, datetime(2026, 3, 2, 9, 30), True, 31201234567],  # noqa: DTZ001
                [],
                ["علی", None, None, None, None, None, "0912 345 6789"],
                ["two\nlines", "b@example.com"],
                ["last", "c@example.com"],
            ],
        ),
        ("Other", [["x"], ["y"]]),
    )
    rows = rows_of(path)
    assert [(row.line, row.columns["Name"]) for row in rows] == [(3, "Ada"), (5, "علی"), (6, "two\nlines"), (7, "last")]
    assert rows[0].columns == {
        "Name": "Ada",
        "Email": "ada@example.com",
        "Employees": 250,
        "Score": 0.5,
        "Met": "2026-03-02T09:30:00",
        "VIP": True,
        "Phone": 31201234567,
    }
    assert [row.columns for row in rows_of(path, sheet="Other")] == [{"x": "y"}]


def test_the_columns_of_a_sheet_are_checked_like_any_other_files(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "a.xlsx", ("Leads", [["First", "Mail"], ["Ada", "ada@example.com"]]))
    copy = prepare(path, tmp_path / "rows")
    with copy.open() as source:
        with pytest.raises(Unreadable, match="None of the columns") as raised:
            converter(source, Shape("leads"), None, called="mapping")
        assert raised.value.columns == ("First", "Mail")
        assert "Mail" not in str(raised.value), "what may be a row of people is not in the message"
        mapping = parse_mapping("- {name: First, email: Mail}", "leads", called="mapping")
        convert = converter(source, Shape("leads", defaults=(("channel", "event"),)), mapping, called="mapping")
        (made,) = convert(next(source.rows()))
        assert made.document is not None
        assert {name: made.document[name] for name in ("name", "email", "channel")} == {
            "name": "Ada",
            "email": "ada@example.com",
            "channel": "event",
        }
        with pytest.raises(Unreadable, match="reads column 'Naam'"):
            converter(source, Shape("leads"), parse_mapping("- {name: Naam}", "leads", called="m"), called="m")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "empty"),
        ([[], []], "empty"),
        ([["a", "a"], ["1", "2"]], "same name"),
        ([[f"c{n}" for n in range(1001)]], "more than"),
    ],
)
def test_a_sheet_that_cannot_be_read_says_why(tmp_path: Path, rows: list[list[str]], problem: str) -> None:
    path = write_workbook(tmp_path / "a.xlsx", ("Leads", rows))
    with pytest.raises(Unreadable, match=problem):
        prepare(path, tmp_path / "rows")


def test_what_is_no_workbook_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no workbook"):
        prepare(written(tmp_path / "a.xlsx", b"PK\x03\x04 nothing"), tmp_path / "rows")
    with pytest.raises(Unreadable, match="no sheet of that name"):
        prepare(write_workbook(tmp_path / "b.xlsx", ("A", [["x"]])), tmp_path / "rows", sheet="B")
    bomb = tmp_path / "c.xlsx"
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/workbook.xml", "w", force_zip64=True) as part,
    ):
        for _ in range(1_100):
            part.write(b"\0" * (1 << 20))
    with pytest.raises(Unreadable, match="unpacks to more than"):
        prepare(bomb, tmp_path / "rows")


def test_a_packed_file_that_is_cut_off_is_damaged(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv.gz", gzip.compress(PERSIAN.encode("utf-16") * 1000)[:-30])
    with pytest.raises(Unreadable, match="damaged"):
        prepare(path, tmp_path / "rows")


def test_what_stands_above_the_columns_of_a_sheet_is_left_out(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "a.xlsx", ("Costs", [["Report", None], [], ["Day", "Cost"], ["x", 5]]))
    (row,) = rows_of(path, header_line=3)
    assert (row.line, row.columns) == (4, {"Day": "x", "Cost": 5})


def test_a_spreadsheets_own_dates_are_read_beside_those_of_a_format() -> None:
    assert read_time("31.12.2025", "occurred_at", None, ("%d.%m.%Y",)) == "2025-12-31T00:00:00"
    assert read_time("2025-12-31T08:00:00", "occurred_at", None, ("%d.%m.%Y",)) == "2025-12-31T08:00:00"


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200),
    st.sampled_from(["utf-8", "utf-16", "utf-32", "utf-8-sig"]),
)
@settings(deadline=None)
def test_marked_and_unicode_files_come_out_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, text: str, encoding: str
) -> None:
    folder = tmp_path_factory.mktemp("text")
    copy = prepare(written(folder / "a", text.encode(encoding)), folder / "b", encoding=encoding)
    assert copy.path.read_text("utf-8-sig") == text.removeprefix("\ufeff") or text.startswith("\ufeff")


def asks_for_version(number: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    content = bytearray(packed.getvalue())
    entry = content.index(b"PK\x01\x02")
    content[entry + 6 : entry + 8] = number.to_bytes(2, "little")  # what it takes to unpack this, in tenths
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04 and no more", asks_for_version(990), asks_for_version(20)[:-30]],
    ids=["not an archive", "of a later version", "cut short"],
)
def test_an_archive_that_cannot_be_opened_is_told_as_no_workbook(tmp_path: Path, content: bytes) -> None:
    check_archive(written(tmp_path / "sound.xlsx", asks_for_version(20)))
    with pytest.raises(Unreadable, match="workbook"):
        check_archive(written(tmp_path / "people.xlsx", content))
