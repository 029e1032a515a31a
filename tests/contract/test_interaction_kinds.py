"""The page on interactions names the kinds there are."""

from __future__ import annotations

import re
from pathlib import Path

from shared.contracts.interactions import INTERACTION_KINDS

PAGE = Path(__file__).parents[2] / "docs" / "interactions.md"


def test_the_page_lists_every_kind_once_and_no_other() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Kinds")[2].partition("| field |")[0]
    rows = [line for line in section.splitlines() if line.startswith("|") and "`" in line]
    assert sorted(re.findall(r"`(\w+)`", "\n".join(rows))) == sorted(INTERACTION_KINDS)
