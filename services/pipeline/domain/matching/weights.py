"""How much each agreement and each difference says, after Fellegi and Sunter (1969), and what it all comes to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from services.pipeline.domain.matching.comparison import Comparison


class Chances(NamedTuple):
    """How often a level is seen among pairs that are one person (m), and among pairs that are two (u)."""

    m: float
    u: float

    @property
    def weight(self) -> float:
        """What the level says, in bits: one more makes `the same` twice as likely."""
        return math.log2(self.m / self.u)


Weights = Mapping[str, Mapping[str, Chances]]

FIXED: Weights = {
    "given name": {
        "same": Chances(0.76, 0.012),
        "nearly": Chances(0.13, 0.008),
        "initial": Chances(0.03, 0.04),
        "differs": Chances(0.08, 0.94),
    },
    "surname": {"same": Chances(0.80, 0.004), "nearly": Chances(0.12, 0.008), "differs": Chances(0.08, 0.988)},
    "birth date": {"same": Chances(0.88, 0.0001), "nearly": Chances(0.05, 0.004), "differs": Chances(0.07, 0.9959)},
    "personal number": {
        "same": Chances(0.90, 0.00001),
        "nearly": Chances(0.04, 0.0001),
        "differs": Chances(0.06, 0.99989),
    },
    "mailbox": {"same": Chances(0.30, 0.001), "nearly": Chances(0.08, 0.002), "differs": Chances(0.62, 0.997)},
    "telephone": {"same": Chances(0.50, 0.00005), "nearly": Chances(0.04, 0.0002), "differs": Chances(0.46, 0.99975)},
    "company": {
        "same": Chances(0.31, 0.002),
        "same domain": Chances(0.31, 0.002),
        "nearly": Chances(0.14, 0.006),
        "differs": Chances(0.24, 0.99),
    },
    "street": {
        "same with number": Chances(0.62, 0.0002),
        "same": Chances(0.16, 0.003),
        "nearly": Chances(0.08, 0.006),
        "differs": Chances(0.14, 0.9908),
    },
    "place": {
        "same": Chances(0.66, 0.002),
        "half": Chances(0.24, 0.012),
        "nearly": Chances(0.04, 0.03),
        "differs": Chances(0.06, 0.956),
    },
    "country": {"same": Chances(0.96, 0.5), "differs": Chances(0.04, 0.5)},
}
"""What is taken where nothing was learned. u is how often strangers agree by chance: given names and surnames as they are
spread among a few thousand people, a birthday of some eighty years, a company among a few hundred, a number among very many.
m leaves room for what people mistype, abbreviate, move and leave out: about one in five. They were written down before they
were tried on any set, and not changed for one: docs/matching.md says why they are not learned."""

PRIOR_BITS = -math.log2(10_000)
"""Before anything is compared: one pair in ten thousand is one person. A unit of ten thousand leads has fifty million pairs,
so this leaves room for a few duplicates of every other lead."""

CONTRADICTIONS = frozenset(
    {("given name", "differs"), ("birth date", "differs"), ("personal number", "differs"), ("country", "differs")}
)
"""What people of one household, or of one name, differ in. Where one of these is seen, a person decides."""

NEVER_ENOUGH = ("company", "same domain")
"""What may be a provider of mailboxes that nobody wrote down: it is shown to a person, and merges nobody who is not one without it."""


class Part(NamedTuple):
    """What one thing adds to the whole, in bits."""

    what: str
    level: str
    bits: float


class Judgement(NamedTuple):
    """What a comparison comes to. The parts sum up to `bits`, and these to the confidence. `surety` is what it would be without
    what is never enough to merge by itself."""

    parts: tuple[Part, ...]
    bits: float
    confidence: float
    is_contradicted: bool
    surety: float

    def is_enough(self, merge_from: float) -> bool:
        """Whether the two may be merged without asking somebody."""
        return self.surety >= merge_from and not self.is_contradicted


REVIEW_FROM, MERGE_FROM = 0.9, 0.9999
"""From which confidence on two people are shown to somebody, and from which they may be merged without."""


def judge(comparison: Comparison, weights: Weights = FIXED, prior_bits: float = PRIOR_BITS) -> Judgement:
    """How sure one may be that the two are one person, and of what it is made."""
    parts = [Part("before comparing", "", round(prior_bits, 2))]
    parts += [Part(what, level, round(weights[what][level].weight, 2)) for what, level in comparison]
    bits = round(sum(part.bits for part in parts), 2)
    contradicted = any(one in CONTRADICTIONS for one in comparison)
    sure = bits - sum(part.bits for part in parts if (part.what, part.level) == NEVER_ENOUGH)
    return Judgement(tuple(parts), bits, confidence_of(bits), contradicted, confidence_of(sure))


def confidence_of(bits: float) -> float:
    """The probability that so many bits for it amount to."""
    return 1 / (1 + 2.0**-bits) if bits > -1000 else 0.0
