"""Text is cleaned to one spelling: what looks the same is the same, and nothing unseen stays."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.capture.domain.text import ascii_digits, clean_block, clean_line, unstorable
from shared.contracts.tokens import clean_token

CLEANERS = [clean_token, clean_line, clean_block]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("Ada\tLovelace\n", "Ada Lovelace"),
        ("علي كريمي", "علی کریمی"),  # Arabic yeh and kaf become the Persian letters
        ("رئيس", "رئیس"),  # yeh with hamza is another letter and stays
        ("e\u0301cole", "école"),  # composed
        ("می\u200cخواهم", "می\u200cخواهم"),  # the non-joiner inside a Persian word is spelling
        ("\u200cسلام \u200c دنیا\u200c", "سلام دنیا"),  # beside a space or an edge it is a slip
        ("\ufeffAda\u200b Love\u00adlace\u200f", "Ada Lovelace"),
        ("Ada\x01\x1b[0m", "Ada[0m"),
        ("Ada\u00a0\u2003Lovelace", "Ada Lovelace"),
        ("👩\u200d🔬 lab", "👩\u200d🔬 lab"),  # an emoji keeps its joiner
        ("\x1f\x1d", ""),
    ],
)
def test_a_line_is_kept_in_one_spelling(sent: str, kept: str) -> None:
    assert clean_line(sent) == kept


def test_a_block_keeps_its_lines() -> None:
    assert clean_block(" Hi \r\n\r\n\r\n\r\n  there\u200b\rbye ") == "Hi\n\nthere\nbye"


def test_a_token_keeps_its_letters_and_inner_spaces_and_loses_what_is_unseen() -> None:
    assert clean_token(" كد\u200c  7\u200b ") == "كد  7"


def test_digits_of_two_scripts_become_ascii() -> None:
    assert ascii_digits("۰۹۱۲ ٣٤٥ 6") == "0912 345 6"


@pytest.mark.parametrize("clean", CLEANERS)
@given(st.text())
def test_cleaning_twice_is_cleaning_once(clean, text) -> None:  # type: ignore[no-untyped-def]
    once = clean(text)
    assert clean(once) == once
    assert once == once.strip()
    assert unicodedata.is_normalized("NFC", once)
    assert "\x00" not in once


@pytest.mark.parametrize("clean", CLEANERS)
@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_the_short_way_for_ascii_is_the_long_way(clean, text) -> None:  # type: ignore[no-untyped-def]
    assert clean(text) == clean(text + "\u200b")


def test_what_no_database_stores_is_named() -> None:
    assert unstorable("a\x00") == "contains the NUL character (U+0000)"
    assert "surrogate" in (unstorable("a\ud800") or "")
    assert unstorable("a\U0001f600") is None
