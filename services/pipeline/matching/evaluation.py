"""How well people are matched where it is known who is who: pairs found, against pairs that are one person."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from services.pipeline.domain.matching.blocking import LARGEST_BLOCK, keys
from services.pipeline.domain.matching.comparison import compare
from services.pipeline.domain.matching.person import Person, person
from services.pipeline.domain.matching.weights import MERGE_FROM, REVIEW_FROM, judge

Pair = tuple[int, int]

OURS = {
    "date_of_birth": "birth_date",
    "soc_sec_id": "personal_number",
    "street_number": "house_number",
    "address_1": "street",
    "suburb": "city",
}
"""Columns of FEBRL files by what pipeline calls them; any other column is taken by its own name."""


class Found(NamedTuple):
    """How many pairs were found, how many of them rightly, and what share of all that is."""

    pairs: int
    precision: float
    recall: float


class Evaluation(NamedTuple):
    """A set of people, matched. `blocked` is what sharing a key finds, `review` what is likely enough to be shown,
    `joined` what that makes one person when all of it is merged, `merged` what may be merged without anybody looking."""

    records: int
    true_pairs: int
    candidate_pairs: int
    reduction: float
    blocked: Found
    review: Found
    joined: Found
    merged: Found
    seconds: float


def read_people(path: Path, entity: str | None = None) -> tuple[list[Person], list[str]]:
    """The people of a CSV file, and which entity each is: by a column, else from FEBRL's `rec_id`. Raises `ValueError`."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    column = entity or "rec_id"
    if not rows or column not in rows[0]:
        raise ValueError(f"{path.name} has no column {column!r}; name the one that says who is who with --entity.")
    named = [(row[column] or "").strip() for row in rows]
    return [_person(row) for row in rows], named if entity else [_entity(name, path) for name in named]


def evaluate(
    people: Sequence[Person],
    entities: Sequence[Hashable],
    *,
    review_from: float = REVIEW_FROM,
    merge_from: float = MERGE_FROM,
) -> Evaluation:
    """Matches everybody with everybody by the rules of pipeline."""
    begun = perf_counter()
    candidates = blocked(people)
    judged = {pair: judge(compare(people[pair[0]], people[pair[1]])) for pair in candidates}
    review = {pair for pair, one in judged.items() if one.confidence >= review_from}
    merged = {pair for pair, one in judged.items() if one.is_enough(merge_from)}
    seconds = perf_counter() - begun
    truth = together(entities)
    everything = len(people) * (len(people) - 1) // 2
    return Evaluation(
        records=len(people),
        true_pairs=len(truth),
        candidate_pairs=len(candidates),
        reduction=1 - len(candidates) / everything if everything else 0.0,
        blocked=_found(candidates, truth),
        review=_found(review, truth),
        joined=_found(joined(len(people), review), truth),
        merged=_found(merged, truth),
        seconds=seconds,
    )


def blocked(people: Sequence[Person]) -> set[Pair]:
    """Everybody who shares a key that not too many share."""
    blocks: dict[str, set[int]] = defaultdict(set)
    for place, one in enumerate(people):
        for key in keys(one):
            blocks[key].add(place)
    return {pair for block in blocks.values() if len(block) <= LARGEST_BLOCK for pair in combinations(sorted(block), 2)}


def together(entities: Iterable[Hashable]) -> set[Pair]:
    """The pairs of places that hold the same."""
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, entity in enumerate(entities):
        places[entity].append(place)
    return {pair for members in places.values() for pair in combinations(members, 2)}


def joined(number: int, pairs: Iterable[Pair]) -> set[Pair]:
    """All pairs that are one person once these are."""
    root = list(range(number))

    def find(one: int) -> int:
        while root[one] != one:
            root[one] = root[root[one]]
            one = root[one]
        return one

    for one, other in pairs:
        root[find(other)] = find(one)
    return together(find(one) for one in range(number))


def _found(pairs: Collection[Pair], truth: Collection[Pair]) -> Found:
    right = len(set(pairs) & set(truth))
    return Found(len(pairs), right / len(pairs) if pairs else 1.0, right / len(truth) if truth else 1.0)


def _person(row: Mapping[str, str]) -> Person:
    known = {OURS.get(name, name): (value or "").strip() for name, value in row.items() if name}
    if "given_name" in row or "surname" in row:
        return person(known, given=known.get("given_name"), surname=known.get("surname"))
    return person(known)


def _entity(rec_id: str, path: Path) -> str:
    parts = rec_id.split("-")
    if len(parts) < 3 or parts[0] != "rec":
        raise ValueError(
            f"In {path.name} a rec_id is not like rec-12-org or rec-12-dup-0; name a column with --entity."
        )
    return parts[1]
