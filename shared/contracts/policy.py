"""Policy is data: what a business unit calls things and which rules decide, as one versioned document.

A unit has the document's `defaults` with its own sections put in their place. Every decision that an event records
carries the `version` that made it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.contracts.envelope import Currency, Name


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Amsterdam or Asia/Tehran")
    return name


ZoneName = Annotated[str, AfterValidator(_known_zone)]


def _refuse_twice(what: str, names: Iterable[str]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise ValueError(f"{what} {name!r} is there {times} times; each one needs a name of its own")


class Section(BaseModel):
    """A part of the policy. A word it does not know is an error, so that a slip of the pen cannot pass unseen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
        _refuse_twice("grade", (grade.grade for grade in self.grades))
        return self

    @model_validator(mode="after")
    def _rules_are_told_apart(self) -> Scoring:
        names = [rule.rule for rule in self.fit] + [rule.rule for rule in self.engagement]
        _refuse_twice("rule", names)
        return self


class Qualification(Section):
    """When a lead is worth a salesperson's time. `automatic` decides on every new score; a person always may."""

    automatic: bool = True
    min_score: int = 60
    grades: tuple[Name, ...] = ()


class Stage(Section):
    """A step of a pipeline and how likely a deal in it is won."""

    name: Name
    probability: Annotated[float, Field(ge=0, le=1)]


def _one_stage() -> dict[str, tuple[Stage, ...]]:
    return {"default": (Stage(name="open", probability=0.5),)}


class UnitPolicy(Section):
    """Everything that is decided for one business unit."""

    time_zone: ZoneName = "UTC"
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    currency: Currency = "EUR"
    channels: tuple[Name, ...] = ()
    scoring: Scoring = Scoring()
    qualification: Qualification = Qualification()
    archive_reasons: tuple[Name, ...] = ("other",)
    loss_reasons: tuple[Name, ...] = ("other",)
    pipelines: dict[Name, tuple[Stage, ...]] = Field(default_factory=_one_stage)
    horizon_days: Annotated[int, Field(ge=1, le=3650)] = 90

    @model_validator(mode="after")
    def _names_mean_something(self) -> UnitPolicy:
        known = [grade.grade for grade in self.scoring.grades]
        for grade in self.qualification.grades:
            if grade not in known:
                raise ValueError(
                    f"qualification names grade {grade!r}, which scoring never gives; it gives {', '.join(known)}"
                )
        for pipeline, stages in self.pipelines.items():
            _refuse_twice(f"in pipeline {pipeline!r} the stage", (stage.name for stage in stages))
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The unit's time zone: its days, weeks and months begin there."""
        return ZoneInfo(self.time_zone)

    def stage_position(self, stage: str | None, pipeline: str = "default") -> int | None:
        """A stage's place in its pipeline, from 0; None for a stage the policy does not know."""
        names = [known.name for known in self.pipelines.get(pipeline, ())]
        return names.index(stage) if stage in names else None


def _own_sections(own: Any) -> Any:
    """What can be judged of a unit while the defaults cannot: all but a qualification by grades it did not define."""
    if not isinstance(own, dict):
        return own or {}
    return {name: section for name, section in own.items() if name != "qualification" or "scoring" in own}


class Policy(BaseModel):
    """The whole document. An unknown unit has the defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Name
    defaults: UnitPolicy = UnitPolicy()
    business_units: dict[Name, UnitPolicy] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _units_inherit(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        defaults = document.get("defaults") or {}
        units = document.get("business_units") or {}
        if not isinstance(defaults, dict) or not isinstance(units, dict):
            return document
        try:
            UnitPolicy.model_validate(defaults)
        except ValidationError:
            # Each fault of the defaults is told once, where it stands, not again for every unit that inherits it.
            units = {name: _own_sections(own) for name, own in units.items()}
            return {**document, "defaults": defaults, "business_units": units}
        merged = {
            name: {**defaults, **own} if isinstance(own, dict) else own or defaults for name, own in units.items()
        }
        return {**document, "defaults": defaults, "business_units": merged}

    def unit(self, business_unit: str) -> UnitPolicy:
        """What holds for a business unit."""
        return self.business_units.get(business_unit, self.defaults)
