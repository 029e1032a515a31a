"""Text as people type and systems export it, made comparable: one spelling for what looks the same.

Names, companies and messages are *written text*; ids, addresses and codes are *tokens*. Both lose what nobody can see;
only written text has its Arabic letters unified with the Persian ones and its runs of spaces joined.
"""

from __future__ import annotations

import re
import unicodedata

from shared.contracts.tokens import UNSEEN

_UNSEEN_BUT_LINES: dict[int, str | None] = {**UNSEEN, 0x0A: "\n", 0x09: "\t"}
_PERSIAN_LETTERS = {0x064A: "\u06cc", 0x0643: "\u06a9"}
_ONE_LETTER = {**_PERSIAN_LETTERS, 0x0649: "\u06cc"}
# Arabic-Indic digits, then the forms Persian and Urdu use.
_ASCII_DIGITS = {start + digit: str(digit) for start in (0x0660, 0x06F0) for digit in range(10)}

# Persian words need the non-joiner inside them (and emoji the joiner); beside a space or an edge it is a slip.
_LOOSE_JOINERS = re.compile(r"(?<!\S)[\u200c\u200d]+|[\u200c\u200d]+(?!\S)")
_SPACES_AROUND_LINES = re.compile(r"[ \t]*\n[ \t]*")
_MANY_LINES = re.compile(r"\n{3,}")


def unstorable(value: str) -> str | None:
    """Why this text can be kept by no database or reader, or None."""
    if "\x00" in value:
        return "contains the NUL character (U+0000)"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "contains half of a surrogate pair, which is no character"
    return None


def clean_line(value: str) -> str:
    """Written text of one line: as a token, runs of spaces joined, Arabic yeh and kaf as Persian ones."""
    if value.isascii() and value.isprintable():
        value = value.strip()
        return " ".join(value.split()) if "  " in value else value
    return " ".join(_written(value.translate(UNSEEN)).split())


def clean_block(value: str) -> str:
    """Written text of many lines: its lines and paragraphs stay."""
    if value.isascii() and value.isprintable():
        return value.strip()
    lines = value.replace("\r\n", "\n").replace("\r", "\n").translate(_UNSEEN_BUT_LINES)
    written = _SPACES_AROUND_LINES.sub("\n", _written(lines))
    return _MANY_LINES.sub("\n\n", written).strip()


def letters_only(value: str) -> str:
    """A word for looking it up, whatever its case, accents, spaces and punctuation."""
    apart = unicodedata.normalize("NFKD", value).casefold().replace("&", "and").translate(_ONE_LETTER)
    return "".join(letter for letter in unicodedata.normalize("NFKD", apart) if letter.isalnum())


def ascii_digits(value: str) -> str:
    """Persian and Arabic digits as 0 to 9."""
    return value if value.isascii() else value.translate(_ASCII_DIGITS)


def _written(value: str) -> str:
    # Letters are unified after composition: yeh with a combining hamza is one letter of its own.
    return _LOOSE_JOINERS.sub("", unicodedata.normalize("NFC", value).translate(_PERSIAN_LETTERS))
