"""Small tables: each cell stands under its own name, or the whole table is refused and says where."""

from __future__ import annotations

import pytest

from services.capture.api.tables import parse_table
from shared.kit.errors import Rejected

ADA = {"name": "Ada", "company": "Acme, Inc", "email": "ada@x.example"}


@pytest.mark.parametrize(
    "text",
    [
        'name,company,email\nAda,"Acme, Inc",ada@x.example\n',
        'name;company;email;\nAda;"Acme, Inc";ada@x.example;\n',
        'name\tcompany\temail\r\n"Ada"\tAcme, Inc\tada@x.example\r\n\r\n\t\t\r\n',
        "\ufeffname|company|email\nAda|Acme, Inc|ada@x.example|",
    ],
)
def test_a_row_is_read_by_the_names_of_its_columns(text: str) -> None:
    assert parse_table(text.encode()) == [ADA]


def test_empty_cells_are_left_out() -> None:
    assert parse_table(b"name,company,email\nAda,,\n,,\n") == [{"name": "Ada"}]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name,company,email\nAda,Acme, Inc,ada@x.example\n", "line 2 has 4 cells, the first line names 3"),
        ("name,email\nBo,bo@x.example\nAda\nLovelace,ada@x.example\n", "line 3 has 1 cells, the first line names 2"),
        ("name,email,email\nAda,a@x.example,b@x.example\n", "columns 2 and 3 have the same name"),
        ("name,,email\nAda,x,a@x.example\n", "column 2 has no name"),
        ('name,email\n"Ada,a@x.example\n', "unexpected end of data"),
        ("\nname\n", "it has no line of column names"),
    ],
)
def test_a_table_whose_cells_may_have_moved_is_refused_with_the_place(text: str, why: str) -> None:
    with pytest.raises(Rejected, match=why) as refusal:
        parse_table(text.encode())
    assert refusal.value.status == 400
    assert "Ada" not in str(refusal.value)
