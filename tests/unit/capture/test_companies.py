"""One spelling for a company, whatever it legally is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.capture.domain.companies import company_key


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Acme, Inc.", "acme"),
        ("ACME INC", "acme"),
        ("Acme  B.V.", "acme"),
        ("Möller GmbH & Co. KG", "möller"),
        ("Maersk A/S", "maersk"),
        ("Pixel Sp. z o.o.", "pixel"),
        ("PT Sinar Tbk", "sinar"),
        ("شرکت آریا (سهامی خاص)", "آریا"),
        ("شرکت آریا با مسئولیت محدود", "آریا"),
        ("שקד בע״מ", "שקד"),
        ("Johnson & Johnson", "johnson and johnson"),
        ("SE Ranking", "se ranking"),
        ("The Limited", "the"),
        ("Inc.", "inc"),
        ("Ltd & Co", "ltd"),
        ("", ""),
    ],
)
def test_legal_forms_case_and_punctuation_do_not_matter(name: str, key: str) -> None:
    assert company_key(name) == key


@given(st.text(max_size=40))
def test_a_key_is_its_own_key(name: str) -> None:
    assert company_key(company_key(name)) == company_key(name)
