"""Which of some words was probably meant, with the library for it."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz import process
from rapidfuzz.distance import OSA


def most_alike(word: str, choices: Sequence[str], floor: float) -> str | None:
    """The choice that needs the fewest letters changed, added, left out or swapped, if so much of the longer of the two
    stays (0 to 1). The first of several that are equally alike."""
    found = process.extractOne(word, choices, scorer=OSA.normalized_similarity, score_cutoff=floor)
    return None if found is None else str(found[0])
