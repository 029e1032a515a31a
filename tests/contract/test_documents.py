"""What is written for people leads where it says: links to files and to headings, and the variables of compose."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.*?)\s*$", re.MULTILINE)
LINKED = re.compile(r"\[([^]]*)\]\([^)]*\)")
SET_ELSEWHERE = {f"LEADFLOW_{service}_URL" for service in ("CAPTURE", "SCORING", "PIPELINE", "METRICS")}
"""For the command line, which may run on another machine than the containers."""


def pages() -> list[str]:
    """Every page of the repository, by its path in it."""
    return sorted(str(page.relative_to(ROOT)) for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))


def anchors_of(page: Path) -> set[str]:
    """What a page's headings are called in links: small letters, hyphens for spaces, and a number where one comes again."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    for heading in HEADING.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        name = re.sub(r"[^\w\- ]", "", LINKED.sub(r"\1", heading).lower()).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


@pytest.mark.parametrize("page", pages())
def test_every_link_leads_to_a_file_and_a_heading_that_there_are(page: str) -> None:
    """A link to nowhere is found by whoever needs it most."""
    text = CODE.sub("", FENCED.sub("", (ROOT / page).read_text(encoding="utf-8")))
    nowhere = []
    for link in LINK.findall(text):
        name, _, anchor = link.partition("#")
        if "://" in name or name.startswith("mailto:"):
            continue
        there = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        if not there.exists() or (anchor and anchor not in anchors_of(there)):
            nowhere.append(link)
    assert nowhere == []


def test_decisions_are_listed_by_their_numbers_and_titles() -> None:
    """All of them, in order, under the title that each has."""
    folder = ROOT / "docs" / "adr"
    listed = re.findall(
        r"^\| \[(\d+)\]\((.+?)\) \| (.+) \|$", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    written = sorted(page for page in folder.glob("*.md") if page.name != "README.md")
    titles = [page.read_text(encoding="utf-8").partition("\n")[0] for page in written]
    assert [f"# {number}. {title}" for number, _, title in listed] == titles
    assert [name for _, name, _ in listed] == [page.name for page in written]


def test_one_release_of_kafka_is_run_everywhere() -> None:
    """From its jars, in compose and in the containers of tests: what is proven of one is not said of another."""
    texts = [
        (ROOT / name).read_text()
        for name in ("deploy/local/pom.xml", "docker-compose.yml", "tests/support/containers.py")
    ]
    releases = [re.findall(r"<kafka\.version>(.+?)<|apache/kafka:([\d.]+)", text) for text in texts]
    assert len({jars or image for found in releases for jars, image in found}) == 1
    assert all(releases)


def test_what_compose_takes_is_what_its_example_names() -> None:
    """A variable that one of the two lacks is filled in and does nothing, and nobody says so."""
    taken = set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", (ROOT / "docker-compose.yml").read_text()))
    named = set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert taken == named - SET_ELSEWHERE
