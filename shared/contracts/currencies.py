"""How finely a currency is divided: the digits behind the point of its smallest unit, as ISO 4217 lists them (list one of its
maintenance agency, SIX, of 2024). Nearly all have two; these have not."""

from __future__ import annotations

TWO = 2
_OTHERS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DIGITS = {currency: digits for digits, currencies in _OTHERS.items() for currency in currencies.split()}


def minor_digits(currency: str | None) -> int:
    """So many digits stand behind the point; two of a currency that the list has not."""
    return _DIGITS.get(currency or "", TWO)
