"""Countries and languages as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.capture.domain.countries import _COUNTRIES, COUNTRIES, country_code
from services.capture.domain.languages import _LANGUAGES, language_tag
from services.capture.domain.text import letters_only


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("nl", "NL"),
        ("NLD", "NL"),
        ("The Netherlands", "NL"),
        ("Holland", "NL"),
        ("Nederland", "NL"),
        ("هلند", "NL"),
        ("הולנד", "NL"),
        ("هولندا", "NL"),
        ("uk", "GB"),
        ("England", "GB"),
        ("U.S.A.", "US"),
        ("united states", "US"),
        ("آمریکا", "US"),
        ("ارה״ב", None),
        ("ארה״ב", "US"),
        ("Iran, Islamic Republic of", "IR"),
        ("ايران", "IR"),
        ("איראן", "IR"),
        ("Türkiye", "TR"),
        ("turkiye", "TR"),
        ("TURKEY", "TR"),
        ("Côte d’Ivoire", "CI"),
        ("cote d'ivoire", "CI"),
        ("Bosnia and Herzegovina", "BA"),
        ("Deutschland", "DE"),
        ("Österreich", "AT"),
        ("日本", "JP"),
        ("Россия", "RU"),
        ("امارات", "AE"),
        ("Czech Republic", "CZ"),
        ("Korea", None),
        ("ZZ", None),
        ("Atlantis", None),
        ("", None),
    ],
)
def test_a_country_is_found_by_code_and_by_name(written: str, code: str | None) -> None:
    assert country_code(written) == code


def test_each_name_means_one_country_and_each_country_is_found_by_every_name_it_has() -> None:
    meanings: dict[str, set[str]] = {}
    for row in _COUNTRIES.strip().splitlines():
        code, letters, called = row.split(" ", 2)
        for name in (letters, *called.split("|")):
            meanings.setdefault(letters_only(name), set()).add(code)
            assert country_code(name) == code
    assert all(len(codes) == 1 for codes in meanings.values())
    assert len(COUNTRIES) == 250


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("nl", "nl"),
        ("NL", "nl"),
        ("nl_NL", "nl-NL"),
        ("nl-nl", "nl-NL"),
        ("fa_IR.UTF-8", "fa-IR"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("en-US,en;q=0.9,nl;q=0.8", "en-US"),
        ("deu", "de"),
        ("ger", "de"),
        ("per", "fa"),
        ("iw", "he"),
        ("Farsi", "fa"),
        ("فارسی", "fa"),
        ("عربي", "ar"),
        ("עברית", "he"),
        ("Nederlands", "nl"),
        ("English (United States)", "en-US"),
        ("Chinese (Simplified)", "zh-Hans"),
        ("中文", "zh"),
        ("français", "fr"),
        ("FRANCAIS", "fr"),
        ("ckb", "ckb"),
        ("en-ZZ", None),
        ("xx", None),
        ("Klingon", None),
        ("English (Nowhere)", None),
    ],
)
def test_a_language_is_its_tag(written: str, tag: str | None) -> None:
    assert language_tag(written) == tag


def test_every_language_is_found_by_code_and_by_name() -> None:
    for row in _LANGUAGES.strip().splitlines():
        code, _, called = row.split(" ", 2)
        assert language_tag(code) == code
        assert all(language_tag(name) == code for name in called.split("|"))


@given(st.text(max_size=40))
def test_what_was_understood_is_understood_as_itself(written: str) -> None:
    for understand in (country_code, language_tag):
        understood = understand(written)
        assert understood is None or understand(understood) == understood
