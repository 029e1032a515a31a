"""Numbers from outside, read exactly or not at all."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.contracts.amounts import exact, settled


@pytest.mark.parametrize(
    ("written", "read"),
    [("1500.00", "1500"), (" 12.5 ", "12.5"), (0.1, "0.1"), ("1e30", "1e30"), ("1e31", None), ("1e-30", "1e-30"), ("1e-31", None),
     ("-0.0", "0"), ("0e-999999999", "0"), ("0e999999999", "0"), ("1e-999999999999999", None), ("1e999999999999999999", None),
     ("9" * 65, None), (10**20, "1e20"), (10**4000, None), ("NaN", None), ("Infinity", None), ("sNaN", None), (float("inf"), None),
     (True, None), (None, None), ([], None), ("", None), ("1,5", None)],
)  # fmt: skip
def test_a_number_is_read_as_it_is_written_or_refused(written: object, read: str | None) -> None:
    found = exact(written)
    assert found == (None if read is None else Decimal(read))
    assert found is None or len(format(found, "f")) < 200


def test_nothing_has_no_places() -> None:
    assert str(settled(Decimal("0e-999999999"))) == "0"
    assert str(settled(Decimal("-0e5"))) == "0"
    assert str(settled(Decimal("12.50"))) == "12.50"
