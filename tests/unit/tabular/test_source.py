"""Files become rows, with the line each begins on and the place it ends at."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.tabular.errors import Unreadable
from shared.tabular.source import LINE_MAX_BYTES, Position, Row, SourceFile


def written(folder: Path, content: bytes | str, name: str = "leads.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_of(path: Path, start: Position | None = None) -> list[Row]:
    with SourceFile(path) as source:
        return list(source.rows(start))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(tmp_path: Path, delimiter: str) -> None:
    text = f"email{delimiter}name{delimiter}city\na@example.com{delimiter}Ada{delimiter}Delft\n"
    (row,) = rows_of(written(tmp_path, text))
    assert row.columns == {"email": "a@example.com", "name": "Ada", "city": "Delft"}


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (row,) = rows_of(written(tmp_path, b"\xef\xbb\xbfemail,name\r\na@example.com,Ada\r\n"))
    assert row.columns == {"email": "a@example.com", "name": "Ada"}


@pytest.mark.parametrize("name", ["leads.csv", "leads.ndjson"])
def test_a_packed_file_reads_as_the_file_itself(tmp_path: Path, name: str) -> None:
    content = b"email,name\na@b.example,Ada\n" if name.endswith("csv") else b'{"email":"a@b.example","name":"Ada"}\n'
    plain = rows_of(written(tmp_path, content, name))
    assert rows_of(written(tmp_path, gzip.compress(content), f"{name}.gz")) == plain
    assert plain[0].columns == {"email": "a@b.example", "name": "Ada"}


def test_a_field_may_span_lines_and_the_row_is_named_by_its_first(tmp_path: Path) -> None:
    rows = rows_of(written(tmp_path, 'email,message\na@b.example,"one\ntwo"\n\nc@d.example,three\n'))
    assert [(row.line, row.columns["message"]) for row in rows] == [(2, "one\ntwo"), (5, "three")]


def test_one_stray_quote_costs_one_line(tmp_path: Path) -> None:
    rows = rows_of(written(tmp_path, 'email,name\na@b.example,"Ada\nc@d.example,Carl\ne@f.example,Eva\n'))
    assert [(row.line, row.fault is None) for row in rows] == [(2, False), (3, True), (4, True)]
    assert "quotation mark" in (rows[0].fault or "")


def test_a_stray_quote_that_a_later_one_closes_costs_one_line_too(tmp_path: Path) -> None:
    rows = rows_of(written(tmp_path, 'email,name\na@b.example,"Ada\nc@d.example,Carl"\ne@f.example,Eva\n'))
    # read as one field over two lines it would even be well-formed: two fields, as the header says
    assert [row.fault for row in rows] == [None, None]
    rows = rows_of(written(tmp_path, 'email,name\n"a@b.example,Ada\nc@d.example,"Carl"\ne@f.example,Eva\n'))
    assert [row.line for row in rows if row.fault is None] == [3, 4]


@pytest.mark.parametrize(
    ("line", "fault"), [("a@b.example", "has 1 fields"), ("a@b.example,Ada,extra", "has 3 fields")]
)
def test_a_row_as_wide_as_no_header_is_a_fault(tmp_path: Path, line: str, fault: str) -> None:
    (row,) = rows_of(written(tmp_path, f"email,name\n{line}\n"))
    assert fault in (row.fault or "")


def test_text_that_is_not_utf_8_is_the_fault_of_its_line_alone(tmp_path: Path) -> None:
    rows = rows_of(written(tmp_path, b"email,name\na@b.example,Andr\xe9\nc@d.example,Carl\n"))
    assert "UTF-8" in (rows[0].fault or "")
    assert rows[1].fault is None


def test_an_endless_line_is_a_fault_and_never_held_whole(tmp_path: Path) -> None:
    rows = rows_of(written(tmp_path, b"email,name\n" + b"x" * (3 * LINE_MAX_BYTES) + b"\na@b.example,Ada\n"))
    assert "longer than" in (rows[0].fault or "")
    assert rows[1].columns["name"] == "Ada"


@pytest.mark.parametrize(
    ("line", "fault"), [("{", "not JSON"), ("[1]", "no JSON object"), ('"text"', "no JSON object")]
)
def test_a_line_that_is_no_object_is_the_fault_of_that_line(tmp_path: Path, line: str, fault: str) -> None:
    rows = rows_of(written(tmp_path, f'{{"email":"a@b.example"}}\n{line}\n{{"email":"c@d.example"}}\n', "l.ndjson"))
    assert [row.fault is None for row in rows] == [True, False, True]
    assert fault in (rows[1].fault or "")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b'[{"email": "a@b.example"}]', "JSON array"),
        ("email,name\n".encode("utf-16"), "not UTF-8"),
        (b"email,email\n", "more than one column of the same name"),
        (b"email,,name\n", "column 2 has no name"),
        (gzip.compress(b"email,name\n" * 1000, mtime=0)[:-20], "damaged after line"),
    ],
    ids=["no byte", "no line", "array", "utf-16", "doubled column", "nameless column", "cut off"],
)
def test_a_file_that_cannot_be_imported_says_why(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(Unreadable, match=problem):
        rows_of(written(tmp_path, content))


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="cannot be read"):
        SourceFile(tmp_path / "nothing.csv")


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters='\n",'), max_size=12)


@settings(max_examples=60)
@given(table=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=12), data=st.data())
def test_reading_on_from_where_a_row_ended_gives_the_rows_after_it(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    quoted = ["a,b,c", *(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in table)]
    path = written(tmp_path_factory.mktemp("source"), "\n".join(quoted) + "\n")
    rows = rows_of(path)
    assert all(row.fault is None for row in rows)
    if rows:
        number = data.draw(st.integers(0, len(rows) - 1))
        assert rows_of(path, rows[number].after) == rows[number + 1 :]


def test_what_stands_above_the_columns_is_left_out_and_lines_keep_their_numbers(tmp_path: Path) -> None:
    text = 'Report, made today\n"two\tlines"\n\nname,email\nAda,a@example.com\n'
    with SourceFile(written(tmp_path, text.encode("utf-8-sig")), header_line=3) as source:
        assert source.columns == ("name", "email")
        assert [(row.line, row.columns["name"]) for row in source.rows()] == [(5, "Ada")]
    with pytest.raises(Unreadable, match="has no line 9"):
        SourceFile(written(tmp_path, text.encode()), header_line=9)
