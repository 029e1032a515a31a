"""From when on two leads are taken for one person, by somebody or by themselves."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from shared.contracts.policy.section import Section

Confidence = Annotated[float, Field(ge=0.5, le=1)]


class Matching(Section):
    """Whether leads that are probably one person are looked for, from which confidence they are shown to somebody, and
    whether and from which they are merged without."""

    enabled: bool = False
    review_from: Confidence = 0.9
    automatic: bool = False
    merge_from: Confidence = 0.9999

    @model_validator(mode="after")
    def _asks_before_it_merges(self) -> Matching:
        if self.merge_from < self.review_from:
            raise ValueError(
                f"merge_from {self.merge_from} is below review_from {self.review_from}; what is merged without asking has to "
                "be surer than what is shown"
            )
        if self.automatic and not self.enabled:
            raise ValueError("automatic needs enabled: true; nothing is looked for without it")
        return self
