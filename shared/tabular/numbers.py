"""Amounts as people and spreadsheets write them: `1.234,50 €`, `$1,234.50`, `(99.00)`, `۱۲٬۵۰۰`."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation

from shared.tabular.fields import Unusable

POINT, COMMA = ".", ","
DECIMALS = (POINT, COMMA)
"""What may stand before the part of a number that is less than one."""

PLACES = 6
"""As many decimals as an amount has."""

_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_GROUPED = (
    r"(?P<sign>[+-]?)(?P<whole>\d{{1,3}}(?:[{group}]\d{{2,3}})*[{group}]\d{{3}}|\d+)(?:[{decimal}](?P<part>\d+))?"
)
_FORMS = {
    POINT: re.compile(_GROUPED.format(group=",٬'", decimal=".٫")),
    COMMA: re.compile(_GROUPED.format(group=".٬'", decimal=",٫")),
}
_NO_DIGIT = re.compile(r"\D")


def is_plain(text: str) -> bool:
    """Whether a number is written as services take it: 1234.50."""
    return _PLAIN.fullmatch(text.strip()) is not None


def rounded(text: str) -> str:
    """A plain number with no more decimals than an amount has: what computing leaves behind it, as in 59.970000000000006, goes."""
    try:
        number = Decimal(text.strip())
        if int(number.as_tuple().exponent) >= -PLACES:
            return text
        return format(round(number, PLACES).normalize(), "f")
    except (InvalidOperation, TypeError, ValueError):
        return text


def read_number(text: str, field: str, decimal: str) -> str:
    """A number that has `decimal` before its part of one, as 1234.50. Blanks, signs of currencies and what parts thousands are left
    out; one in brackets is below zero. Raises `Unusable` for what is none."""
    kept = "".join(_plain_character(one) for one in text.replace("−", "-")).strip()
    is_below = kept.startswith("(") and kept.endswith(")")
    found = _FORMS[decimal].fullmatch(kept[1:-1] if is_below else kept)
    if found is None:
        raise Unusable(f"{field}: is no number with {decimal!r} as its decimal sign")
    sign = "-" if is_below or found["sign"] == "-" else ""
    return f"{sign}{_NO_DIGIT.sub('', found['whole'])}{'.' + found['part'] if found['part'] else ''}"


def _plain_character(one: str) -> str:
    kind = unicodedata.category(one)
    if kind == "Nd":
        return str(unicodedata.decimal(one))
    return "" if kind in ("Sc", "Zs", "Cf") or one == "_" else one.replace("’", "'")
