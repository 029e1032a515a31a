"""Money as it is written down: a decimal string without noise, so that one amount has one spelling."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext

from services.pipeline.domain.refusals import Refused
from shared.contracts.amounts import exact

Line = Mapping[str, str]
"""A product line as it travels: `product`, `quantity`, `unit_price` and, where there is one, `discount`."""


def normal_amount(value: object) -> str | None:
    """`1500.00`, 1500 and `1.5e3` are all `1500`; None where it is no amount of at most 15 digits and 6 decimals."""
    amount = exact(value)
    if amount is None or abs(amount) >= Decimal(10) ** 15:
        return None
    text = plain(amount)
    return text if len(text.partition(".")[2]) <= 6 else None


def plain(amount: Decimal) -> str:
    """What was read, or is a sum of what was, written out. A sum may have more digits than one amount."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def line_total(line: Line) -> Decimal:
    """What a line comes to, rounded half up to as many places as its price has, two at least."""
    price = Decimal(line["unit_price"])
    places = max(2, -int(price.as_tuple().exponent))
    with localcontext(prec=60):
        exact = Decimal(line["quantity"]) * price * (1 - Decimal(line.get("discount", "0")))
        return exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def lines_worth(lines: Iterable[Line]) -> str | None:
    """What all lines come to; None where that is more than an amount can be."""
    with localcontext(prec=60):
        return normal_amount(sum((line_total(line) for line in lines), Decimal()))


def lines_total(lines: Iterable[Line]) -> str:
    """What all lines come to. Raises `Refused` where that is more than an amount can be."""
    total = lines_worth(lines)
    if total is None:
        raise Refused(
            "The lines come to more than an amount can be.",
            kind="invalid",
            code="too-much",
            field="lines",
            fix="Send an amount of at most 15 digits.",
        )
    return total


def worth(amount: str | None, lines: Iterable[Line] | None) -> str | None:
    """An amount as it was given, else what the lines come to, else none. Raises `Refused` for lines that come to more than an amount
    can be, whatever stands beside them: they are added up whenever they are shown."""
    total = lines_total(lines) if lines else None
    return amount if amount is not None else total
