"""Whether a new model may speak: on leads later than all it has learned from, beside what speaks now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.scoring.domain.model.measures import SURELY, Quality, quality

DRAWS = 1_000
SURE = 0.95
"""A challenger is better where it is in so many of the draws."""

SURE_TO_REPLACE = 0.99
LEAST_GAIN = 0.005
"""To take the place of a model it has to be surer, and its log-loss smaller by such a share: it is tried every day, on
people who are mostly the same, so what is as good would win by chance sooner or later."""

CALIBRATION_DRAWS = 60


class Verdict(NamedTuple):
    """Whether the challenger may speak, why, and both in figures."""

    better: bool
    words: str
    challenger: Quality
    champion: Quality
    sure: float
    gain: float

    def document(self) -> dict[str, Any]:
        """As the registry keeps it."""
        return {
            **self.challenger.document(),
            "beside": self.champion.document(),
            "gain": round(self.gain, 6),
            "sure": round(self.sure, 4),
        }


def decide(
    challenger: Sequence[float],
    champion: Sequence[float],
    followed: Sequence[bool],
    people: Sequence[int],
    *,
    beside: str,
    most_calibration_error: float,
    seed: int = 0,
    replaces: bool = False,
) -> Verdict:
    """The challenger is better where its log-loss is the smaller one in nearly all draws of the people there are, its
    Brier score is not worse, and what it foretells is what happens, but for a limit and for what chance alone explains
    where the later leads are few. One that `replaces` another has more to prove. Raises `ValueError` for no leads."""
    ours, theirs = quality(challenger, followed), quality(champion, followed)
    if ours is None or theirs is None:
        raise ValueError("there are no later leads to judge on")
    gain = _surprises(champion, followed) - _surprises(challenger, followed)
    sure = _share_of_draws(gain, people, seed)
    mean = float(gain.mean())
    faults = []
    needed = SURE_TO_REPLACE if replaces else SURE
    if sure < needed:
        faults.append(
            f"it is better than {beside} in {sure:.0%} of {DRAWS:,} draws of the later leads, and {needed:.0%} are needed"
        )
    elif replaces and mean < LEAST_GAIN * theirs.log_loss:
        faults.append(
            f"its log-loss {ours.log_loss:.4f} is hardly smaller than the {theirs.log_loss:.4f} of {beside}, and "
            f"{LEAST_GAIN:.1%} are needed"
        )
    if ours.brier > theirs.brier:
        faults.append(f"its Brier score {ours.brier:.4f} is worse than the {theirs.brier:.4f} of {beside}")
    if ours.ece > most_calibration_error and ours.ece > _by_chance(challenger, people, seed):
        faults.append(
            f"what it foretells is off by {ours.ece:.3f} on average, and {most_calibration_error:.3f} is the most"
        )
    if faults:
        return Verdict(False, "not activated: " + "; ".join(faults), ours, theirs, sure, mean)
    words = (
        f"better than {beside} on {ours.leads:,} later examples: log-loss {ours.log_loss:.4f} instead of "
        f"{theirs.log_loss:.4f}, in {sure:.0%} of {DRAWS:,} draws; what it foretells is off by {ours.ece:.3f} on average"
    )
    return Verdict(True, words, ours, theirs, sure, mean)


def _surprises(told: Sequence[float], followed: Sequence[bool]) -> NDArray[np.float64]:
    held = np.clip(np.array(told, dtype=np.float64), SURELY, 1 - SURELY)
    return -np.log(np.where(np.array(followed, dtype=bool), held, 1 - held))


def _share_of_draws(gain: NDArray[np.float64], people: Sequence[int], seed: int) -> float:
    """In which share of draws the gain is one. A person is drawn with all its moments, since they are alike."""
    _, of_row = np.unique(np.array(people), return_inverse=True)
    by_person = np.bincount(of_row, weights=gain)
    chance = np.random.default_rng(seed)
    size = len(by_person)
    won = 0
    for _ in range(DRAWS):
        won += float(by_person[chance.integers(0, size, size)].sum()) > 0
    return won / DRAWS


def _by_chance(told: Sequence[float], people: Sequence[int], seed: int) -> float:
    """The calibration error that a model which is right has by chance alone on so many people, in all but a few draws."""
    own, of_row = np.unique(np.array(people), return_inverse=True)
    chance = np.random.default_rng(seed)
    right = np.array(told, dtype=np.float64)
    errors = []
    for _ in range(CALIBRATION_DRAWS):
        drawn = quality(told, (chance.random(len(own))[of_row] < right).tolist())
        errors.append(0.0 if drawn is None else drawn.ece)
    return float(np.quantile(errors, SURE))
