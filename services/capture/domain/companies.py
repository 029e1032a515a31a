"""What a company is called without what it legally is, so that one spelling stands for all. For comparing only: a company
keeps the name it was sent under. Version 1 of the rule."""

from __future__ import annotations

import re
import unicodedata

_LATIN = (
    "ab|ag|and|aps|as|asa|bhd|bv|bvba|co|company|corp|corporation|cv|doo|dooel|eg|eirl|ek|ent|et|ev|fze|fzco|fzllc|gbr|ges|"
    "gesmbh|gmbh|hf|inc|incorporated|jsc|kft|kg|kgaa|kk|limited|llc|lllp|llp|lp|ltd|ltda|mbh|nv|oao|og|ohg|ooo|oy|oyj|pao|"
    "pjs|pjsc|plc|pllc|pte|pty|pvt|sa|sab|sac|saoc|sapi|sarl|sas|sasu|sca|scs|se|sencrl|sl|slu|snc|spa|spj|spk|spzoo|sprl|"
    "srl|sro|sti|tbk|ug|und|vof|zao|zrt"
)
_PERSIAN = "سهامی|خاص|عام|بامسئولیت|با|مسئولیت|محدود|تعاونی"
_ARABIC = "ذمم|شمم|شمل|ذات|مسؤولیة|محدودة|المحدودة|مساهمة|عامة|مقفلة"
_HEBREW = "בעמ"
_LAST = frozenset("|".join((_LATIN, _PERSIAN, _ARABIC, _HEBREW)).split("|"))
_FIRST = frozenset({"pt", "ooo", "oao", "zao", "pao", "cv", "شرکت", "موسسه", "مؤسسه", "شرکة", "مؤسسة"})
"""Yeh and kaf are the Persian ones here, as intake writes them."""

_WORDS = re.compile(r"[^\W_]+")
_BETWEEN_LETTERS = re.compile(r"(?<=\b\w)/(?=\w\b)")
_JOINED = str.maketrans("", "", ".'’״׳\"`")


def company_key(name: str) -> str:
    """The name in one case, without punctuation and without legal forms at its ends: `Acme, Inc.` and `ACME INC` are one.
    A name that is nothing but legal forms stays as it is."""
    folded = unicodedata.normalize("NFKC", name).casefold().replace("&", " and ").translate(_JOINED)
    words = _WORDS.findall(_BETWEEN_LETTERS.sub("", folded).replace("sp z oo", "spzoo"))
    start, end = 0, len(words)
    while end > 1 and words[end - 1] in _LAST:
        end -= 1
    while start < end - 1 and words[start] in _FIRST:
        start += 1
    return " ".join(words[start:end])
