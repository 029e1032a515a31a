"""Names and addresses as people write them, made comparable across case, accents, spelling and script."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from rapidfuzz.distance import OSA, JaroWinkler

_LETTERS = str.maketrans(
    {
        **dict.fromkeys("أإآٱ", "ا"), "ي": "ی", "ى": "ی", "ئ": "ی", "ك": "ک", "ة": "ه", "ۀ": "ه", "ؤ": "و", "ء": None,
        "ـ": None, "ך": "כ", "ם": "מ", "ן": "נ", "ף": "פ", "ץ": "צ", "ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe",
    }
)  # fmt: skip
"""Letters that are one to whoever types a name: Arabic and Persian forms, Hebrew ends of words, Latin ones without an accent
that could be taken off."""

_SOUNDS = str.maketrans(
    {
        # Arabic and Persian
        "ب": "b", "پ": "p", "ت": "t", "ط": "t", "ث": "s", "س": "s", "ص": "s", "ج": "j", "چ": "h", "ح": "h", "ه": "h", "خ": "h",
        "د": "d", "ذ": "z", "ز": "z", "ض": "z", "ظ": "z", "ژ": "j", "ر": "r", "ش": "s", "غ": "g", "ق": "g", "ف": "f", "ک": "k",
        "گ": "g", "ل": "l", "م": "m", "ن": "n", "ا": None, "ع": None, "و": None, "ی": None,
        # Hebrew
        "ב": "b", "ג": "g", "ד": "d", "ה": "h", "ז": "z", "ח": "h", "ט": "t", "כ": "k", "ל": "l", "מ": "m", "נ": "n", "ס": "s",
        "פ": "p", "צ": "s", "ק": "k", "ר": "r", "ש": "s", "ת": "t", "א": None, "ו": None, "י": None, "ע": None,
        # Latin
        **dict.fromkeys("aeiouwyv"), "c": "k", "q": "g", "x": "ks",
    }
)  # fmt: skip
_TOGETHER = (
    ("tch", "h"), ("sch", "s"), ("sh", "s"), ("ch", "h"), ("kh", "h"), ("gh", "g"), ("zh", "j"), ("ph", "f"), ("th", "t"),
    ("ck", "k"), ("dj", "j"), ("tz", "s"), ("ts", "s"),
)  # fmt: skip

_WORD = re.compile(r"[\w\"]+")


@lru_cache(maxsize=65536)
def words(value: str) -> tuple[str, ...]:
    """What a text consists of, in one case and one form of each letter, without accents, vowel signs and punctuation."""
    if value.isascii():
        return tuple(word for word in _WORD.findall(value.replace("'", "").lower()) if word.strip('_"'))
    joined = value.replace("\u200c", " ").replace("'", "").replace("’", "").replace("״", '"')
    apart = unicodedata.normalize("NFKD", joined.translate(_LETTERS)).casefold()
    bare = "".join(letter for letter in apart if not unicodedata.combining(letter)).translate(_LETTERS)
    return tuple(word for word in _WORD.findall(bare) if word.strip('_"'))


_TITLES = frozenset(
    words(
        "mr mrs ms miss mx dr prof professor sir madam ing ir drs mevr dhr herr frau monsieur madame "
        'آقای آقا خانم دکتر مهندس السيد السيدة سيد الدكتور الأستاذ מר גברת גב ד"ר דר פרופ'
    )
)
_ENDINGS = frozenset(
    words(
        "bv nv gmbh ag ltd limited llc inc incorporated corp corporation co company plc sa sas sarl srl spa oy ab as kg "
        'pty pte fze شرکت سهامی خاص عام شركة בע"מ בעמ חברת'
    )
)


def name_words(value: str) -> tuple[str, ...]:
    """The words of a person's name without titles. A comma says that the surname stands first."""
    first, comma, rest = value.partition(",")
    told = words(f"{rest} {first}") if comma and rest.strip() else words(value)
    return tuple(word for word in told if word not in _TITLES) or told


def company_words(value: str) -> tuple[str, ...]:
    """The words of a company without its legal form."""
    told = words(value.replace(".", ""))
    return tuple(word for word in told if word not in _ENDINGS) or told


def company_letters(value: str) -> str:
    """A company without its legal form, spaces and punctuation."""
    return "".join(company_words(value))


@lru_cache(maxsize=65536)
def sounds(word: str) -> str:
    """The consonants of a word in one alphabet, none twice in a row, so that scripts and spellings meet: `Mohammad`,
    `Muhamad` and `محمد` are all `mhmd`."""
    plain = word
    for letters, one in _TOGETHER:
        plain = plain.replace(letters, one)
    plain = plain.translate(_SOUNDS)
    return "".join(letter for place, letter in enumerate(plain) if not place or plain[place - 1] != letter)


def is_slip(one: str, other: str) -> bool:
    """Whether two words are one but for a slip of the finger: a letter more, less, other, or two exchanged; in long words
    whatever leaves them nearly the same."""
    shorter = min(len(one), len(other))
    if shorter < 3:
        return False
    if OSA.distance(one, other, score_cutoff=2) <= (1 if shorter < 8 else 2):
        return True
    return shorter >= 5 and JaroWinkler.similarity(one, other) >= 0.93
