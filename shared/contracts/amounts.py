"""Numbers as others write them, read exactly and within bounds: twenty characters can write one that fills the memory."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

LONGEST = 64
"""Of how many characters a number is at most."""

HIGHEST, LOWEST = 30, -30
"""Between which powers of ten its first digit stands, so that what is taken can always be written out."""


def exact(value: object) -> Decimal | None:
    """A number as somebody wrote it, None where it is none, or of more characters or powers of ten than anything here is counted in.
    Nothing is nothing, however many places it was written with. Takes the same time whatever is sent."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    if isinstance(value, int) and value.bit_length() > 4 * LONGEST:  # writing a longer one out takes its length squared
        return None
    text = str(value).strip()
    if len(text) > LONGEST:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite():
        return None
    if not number:
        return Decimal(0)
    return number if LOWEST <= number.adjusted() <= HIGHEST else None


def settled(number: Decimal) -> Decimal:
    """A number whose digits and decimals are bounded already, which nothing itself is not: `0e-999999999` has as many places as it
    says."""
    return number or Decimal(0)
