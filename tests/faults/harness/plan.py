"""Which faults a run injects, in which order: drawn from the seed, so that the seed replays it."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tests.faults.harness.matrix import FAULTS, SCENARIOS, Entry, Fault, Scenario

SHORT_BUDGET_SECONDS = 270.0
WORLD_SECONDS = 50.0
"""What a short run may take: its world's beginning and end, and the entries' typical durations."""

RECOVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Round:
    """Faults of one shared world, in order, then scenarios that stand alone."""

    faults: tuple[Fault, ...]
    scenarios: tuple[Scenario, ...]


def short(seed: int) -> Round:
    """What is always in, and as many others as fit, drawn with the seed."""
    chance = random.Random(f"{seed} plan")
    entries: list[Entry] = [*FAULTS.values(), *SCENARIOS.values()]
    chosen = [entry for entry in entries if entry.always]
    left = SHORT_BUDGET_SECONDS - WORLD_SECONDS - sum(map(_cost, chosen))
    others = [entry for entry in entries if not entry.always and not entry.long_only]
    chance.shuffle(others)
    for entry in others:
        if _cost(entry) <= left:
            chosen.append(entry)
            left -= _cost(entry)
    return _ordered(chosen, chance)


def whole(seed: int) -> Iterator[Round]:
    """The whole matrix again and again, each time in another order."""
    chance = random.Random(f"{seed} plan")
    while True:
        yield _ordered([*FAULTS.values(), *SCENARIOS.values()], chance)


def only(names: Collection[str], seed: int) -> Round:
    """What is named. Raises `ValueError` with the names there are."""
    known: dict[str, Entry] = {**FAULTS, **SCENARIOS}
    unknown = sorted(set(names) - known.keys())
    if unknown:
        raise ValueError(f"there is no {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return _ordered([known[name] for name in names], random.Random(f"{seed} plan"))


def command(profile: str, seed: int, names: Collection[str] | None, minutes: float) -> str:
    """What has to be typed for the same plan again."""
    if names:
        return f"make faults SEED={seed} ONLY={','.join(names)}"
    return f"make faults SEED={seed}" if profile == "short" else f"make faults-long SEED={seed} MINUTES={minutes:g}"


def _cost(entry: Entry) -> float:
    return entry.seconds + RECOVERY_SECONDS


def _ordered(entries: Collection[Entry], chance: random.Random) -> Round:
    entries = sorted(entries, key=lambda entry: entry.name)
    chance.shuffle(entries)
    return Round(
        tuple(entry for entry in entries if isinstance(entry, Fault)),
        tuple(entry for entry in entries if isinstance(entry, Scenario)),
    )
