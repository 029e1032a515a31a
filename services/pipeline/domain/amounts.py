"""Money as it is written down: a decimal string without noise, so that one amount has one spelling."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation


def normal_amount(value: object) -> str | None:
    """`1500.00`, 1500 and `1.5e3` are all `1500`; None where it is no amount of at most 15 digits and 6 decimals."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    if not amount.is_finite() or abs(amount) >= Decimal(10) ** 15:
        return None
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if text in ("-0", ""):
        text = "0"
    return text if len(text.partition(".")[2]) <= 6 else None
