"""What a number of points is called: a grade by all of them, a rating by who the lead is and what it does, a temperature."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from shared.contracts.envelope import Name
from shared.contracts.policy.section import Section

FIT_LETTERS = "ABCD"
ENGAGEMENT_NUMBERS = "1234"

Temperature = Literal["hot", "warm", "cold"]
Rating = Annotated[str, Field(pattern="^[A-D][1-4]$")]
Floors = Annotated[tuple[int, ...], Field(min_length=3, max_length=3)]


class Grade(Section):
    """A grade is given from this score on."""

    grade: Name
    at_least: int


class Ratings(Section):
    """A letter for fit and a number for engagement. `fit` are the points from which A, B and C are given, `engagement`
    those from which 1, 2 and 3 are; without them three quarters, a half and a quarter of what the group counts at most."""

    fit: Floors | None = None
    engagement: Floors | None = None
    hot: tuple[Rating, ...] = ("A1", "A2", "B1")
    warm: tuple[Rating, ...] = ("A3", "B2", "B3", "C1", "C2")

    @model_validator(mode="after")
    def _best_come_first(self) -> Ratings:
        for name, floors in (("fit", self.fit), ("engagement", self.engagement)):
            if floors is not None and not floors[0] > floors[1] > floors[2]:
                raise ValueError(
                    f"the three floors of {name} go from the best to the worst, each lower than the one before"
                )
        both = sorted(set(self.hot) & set(self.warm))
        if both:
            raise ValueError(f"{both[0]} is hot and warm; leave it in one of the two")
        return self

    def floors(self, fit_at_most: int, engagement_at_most: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The floors of fit and of engagement."""
        return self.fit or _quarters(fit_at_most), self.engagement or _quarters(engagement_at_most)

    def temperature(self, rating: str) -> Temperature:
        """How soon somebody should call."""
        return "hot" if rating in self.hot else "warm" if rating in self.warm else "cold"


def _quarters(at_most: int) -> tuple[int, ...]:
    return tuple(max(-(-at_most * quarter // 4), quarter) for quarter in (3, 2, 1))
