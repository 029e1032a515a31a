"""What a header says, in any script: its sender writes UTF-8, and the server reads all headers as Latin-1."""

from __future__ import annotations

from typing import Any

from pydantic import BeforeValidator


def as_written(text: Any) -> Any:
    """A header as its sender wrote it. What is no UTF-8 is left as it was read."""
    if not isinstance(text, str) or text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


AsWritten = BeforeValidator(as_written)
