"""How points become a score and a grade."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from shared.contracts.envelope import Name
from shared.contracts.policy.section import Section, refuse_twice

ATTRIBUTE_PREFIX = "attributes."

PRESENCE_FIELDS = ("email", "phone", "company")
"""Fields of which scoring keeps only whether they are known."""

FIT_FIELDS = (
    *PRESENCE_FIELDS,
    *("job_title", "country", "language", "channel", "source", "product", "campaign", "consent"),
)
"""What a fit rule may look at, beside `attributes.<name>`."""


class FitRule(Section):
    """Points for who a lead is: `field` of the lead (or `attributes.<name>`) compared in one way."""

    rule: Name
    field: Name
    present: bool | None = None
    equals: str | int | float | bool | None = None
    one_of: tuple[str, ...] | None = None
    contains: tuple[str, ...] | None = None
    at_least: float | None = None
    points: int

    @model_validator(mode="after")
    def _one_comparison(self) -> FitRule:
        given = [self.present, self.equals, self.one_of, self.contains, self.at_least]
        if sum(value is not None for value in given) != 1:
            raise ValueError("a fit rule has exactly one of present, equals, one_of, contains, at_least")
        if self.one_of == () or self.contains == ():
            raise ValueError("one_of and contains need at least one value")
        return self

    @model_validator(mode="after")
    def _the_field_can_be_compared_so(self) -> FitRule:
        attribute = self.field.startswith(ATTRIBUTE_PREFIX) and self.field != ATTRIBUTE_PREFIX
        if not attribute and self.field not in FIT_FIELDS:
            raise ValueError(
                f"{self.field!r} is nothing a fit rule can look at; write one of {', '.join(FIT_FIELDS)}, "
                f"or {ATTRIBUTE_PREFIX}<name>"
            )
        if self.field in PRESENCE_FIELDS and self.present is None:
            raise ValueError(f"of {self.field} scoring knows only whether it is there; compare it with present")
        if self.at_least is not None and not attribute:
            raise ValueError(f"at_least compares numbers and {self.field} is none; it is for {ATTRIBUTE_PREFIX}<name>")
        return self


class EngagementRule(Section):
    """Points each time a lead does `kind`, counted `at_most` times."""

    rule: Name
    kind: Name
    points: int
    at_most: Annotated[int, Field(ge=1)] = 1


class Grade(Section):
    """A grade is given from this score on."""

    grade: Name
    at_least: int


class Scoring(Section):
    """How points become a score from 0 to 100 and a grade."""

    fit: tuple[FitRule, ...] = ()
    engagement: tuple[EngagementRule, ...] = ()
    fit_at_most: Annotated[int, Field(ge=0)] = 60
    engagement_at_most: Annotated[int, Field(ge=0)] = 60
    grades: tuple[Grade, ...] = (
        Grade(grade="A", at_least=70),
        Grade(grade="B", at_least=45),
        Grade(grade="C", at_least=20),
        Grade(grade="D", at_least=0),
    )

    @model_validator(mode="after")
    def _grades_cover_the_range(self) -> Scoring:
        floors = [grade.at_least for grade in self.grades]
        if not floors or floors != sorted(floors, reverse=True) or floors[-1] > 0:
            raise ValueError("grades go from best to worst and the last one starts at 0")
        if floors[0] > 100 or len(set(floors)) != len(floors):
            raise ValueError("scores go from 0 to 100 and every grade starts at one of its own")
        refuse_twice("grade", (grade.grade for grade in self.grades))
        return self

    @model_validator(mode="after")
    def _rules_are_told_apart(self) -> Scoring:
        names = [rule.rule for rule in self.fit] + [rule.rule for rule in self.engagement]
        refuse_twice("rule", names)
        return self
