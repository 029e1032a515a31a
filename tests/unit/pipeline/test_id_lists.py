"""Which ids a file has, and where."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.pipeline.api.bulk import Begin, _wrong_file
from services.pipeline.domain.id_lists import ids_of

ONE = "63144019-196d-5a78-a584-dc9ec6c2e031"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"{ONE}\n{ONE}", [1, 2]),
        (f"\n{ONE}\n\n{ONE}\n", [2, 4]),
        (f"lead_id\n\n{ONE}\n", [3]),
        (f'name,lead_id\n"Ann\nof two lines",{ONE}\nnobody,\nBob,{ONE}\n', [3, 5]),
    ],
)
def test_each_id_is_known_by_its_line(text: str, lines: list[int]) -> None:
    found = ids_of(text.encode())
    assert (found.column, found.ids, found.lines) == ("lead_ids", [ONE] * len(lines), lines)


def test_what_is_no_id_is_named_by_its_line() -> None:
    found = ids_of(f"lead_id\n\n{ONE}\n\nann@x.example\n".encode())
    with pytest.raises(ValidationError) as wrong:
        Begin.model_validate({"doing": "archive", found.column: found.ids})
    told = _wrong_file(wrong.value, found.lines)
    assert "lead_ids in line 5" in str(told)
    assert "ann@x.example" not in str(told)
