"""Rows on their way into a table by COPY."""

from __future__ import annotations

import csv
import io
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.kit.copying import as_csv

texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\\"\n\r\t\x00\x1f,'), max_size=30)


def read(encoded: bytes, columns: int) -> list[list[str]]:
    """What PostgreSQL would read: a backslash escapes a quote or a backslash, and means itself before all else."""
    fields: list[str] = []
    text = encoded.decode()
    at = 0
    while at < len(text):
        if text[at] == '"':
            value = ""
            at += 1
            while text[at] != '"':
                if text[at] == "\\" and text[at + 1] in '"\\':
                    at += 1
                value += text[at]
                at += 1
            at += 2
        else:
            end = next((place for place in range(at, len(text)) if text[place] in ",\n"), len(text))
            value = f"plain {text[at:end]}"
            at = end + 1
        fields.append(value)
    return [fields[start : start + columns] for start in range(0, len(fields), columns)]


@given(st.lists(st.tuples(texts, texts), max_size=4))
def test_every_text_comes_through_as_it_was(rows: list[tuple[str, str]]) -> None:
    assert read(as_csv(rows), 2) == [list(row) for row in rows]


def test_what_is_no_text_is_not_quoted_and_null_is_no_text() -> None:
    assert as_csv([(None, 1, True, 2.5, "null")]) == b'null,1,true,2.5,"null"'


def test_a_document_given_as_text_stays_a_document() -> None:
    (row,) = csv.reader(io.StringIO(as_csv([(UUID(int=1), '{"a":"b\\nc"}')]).decode()), escapechar="\\")
    assert row == ["00000000-0000-0000-0000-000000000001", '{"a":"b\\nc"}']
