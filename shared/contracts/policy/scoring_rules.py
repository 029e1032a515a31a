"""What gives and takes points: who a lead is, and what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, model_validator

from shared.contracts.conditions import ATTRIBUTE_PREFIX, Condition, FieldKind, Vocabulary, parse
from shared.contracts.envelope import Name
from shared.contracts.policy.section import Section

PRESENCE_FIELDS = ("email", "phone", "company")
"""Fields of which scoring keeps only whether they are known."""

FIT_FIELDS = (
    *PRESENCE_FIELDS,
    *("job_title", "country", "language", "channel", "source", "product", "campaign", "consent"),
)
"""What a fit rule may look at, beside `attributes.<name>`."""

SEGMENT = "segment"

SEGMENT_VOCABULARY: Vocabulary = {
    **dict.fromkeys(PRESENCE_FIELDS, FieldKind.FLAG),
    **dict.fromkeys(FIT_FIELDS[len(PRESENCE_FIELDS) :], FieldKind.TEXT),
    "consent": FieldKind.TEXTS,
}
FIT_VOCABULARY: Vocabulary = {**SEGMENT_VOCABULARY, SEGMENT: FieldKind.TEXTS}

INTERACTION_VOCABULARY: Vocabulary = {
    **dict.fromkeys(("kind", "channel", "source", "product", "campaign"), FieldKind.TEXT),
    **dict.fromkeys(("direction", "outcome"), FieldKind.TEXT),
    **dict.fromkeys(("value", "duration_seconds"), FieldKind.ANY),
}
"""What an engagement rule may look at in one interaction, beside its `attributes.<name>`."""

ANY_KIND = "any"

Days = Annotated[int, Field(ge=1, le=3650)]


class Decay(Section):
    """How points for something done fade: to a half in every `half_life_days`, to nothing after `expires_days`. One that
    says neither never fades."""

    half_life_days: Days | None = None
    expires_days: Days | None = None


class Cap(Section):
    """Within which bounds the rules of a group count together."""

    at_most: Annotated[int, Field(ge=0)] | None = None
    at_least: Annotated[int, Field(le=0)] | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Cap:
        if self.at_most is None and self.at_least is None:
            raise ValueError("a group's cap has at_most, at_least or both")
        return self


class FitRule(Section):
    """Points for who a lead is: a condition `when`, or `field` (of the lead, or `attributes.<name>`) compared in one way."""

    rule: Name
    when: str | None = None
    field: Name | None = None
    present: bool | None = None
    equals: str | int | float | bool | None = None
    one_of: tuple[str, ...] | None = None
    contains: tuple[str, ...] | None = None
    at_least: float | None = None
    points: int
    group: Name | None = None

    @model_validator(mode="after")
    def _one_comparison(self) -> FitRule:
        given = [self.present, self.equals, self.one_of, self.contains, self.at_least]
        comparisons = sum(value is not None for value in given)
        if self.when is not None:
            if comparisons or self.field is not None:
                raise ValueError("a fit rule has `when`, or a `field` and one comparison, not both")
            parse(self.when, FIT_VOCABULARY)
            return self
        if self.field is None:
            raise ValueError("a fit rule needs `when`, or a `field` and one comparison")
        if comparisons != 1:
            raise ValueError("a fit rule has exactly one of present, equals, one_of, contains, at_least")
        if self.one_of == () or self.contains == ():
            raise ValueError("one_of and contains need at least one value")
        self._refuse_impossible(self.field)
        return self

    def _refuse_impossible(self, field: str) -> None:
        attribute = field.startswith(ATTRIBUTE_PREFIX) and field != ATTRIBUTE_PREFIX
        if not attribute and field not in FIT_FIELDS:
            raise ValueError(
                f"{field!r} is nothing a fit rule can look at; write one of {', '.join(FIT_FIELDS)}, "
                f"or {ATTRIBUTE_PREFIX}<name>"
            )
        if field in PRESENCE_FIELDS and self.present is None:
            raise ValueError(f"of {field} scoring knows only whether it is there; compare it with present")
        if self.at_least is not None and not attribute:
            raise ValueError(f"at_least compares numbers and {field} is none; it is for {ATTRIBUTE_PREFIX}<name>")

    @property
    def condition(self) -> Condition | None:
        """What `when` says."""
        return None if self.when is None else parse(self.when, FIT_VOCABULARY)


class EngagementRule(Section):
    """Points each time a lead does `kind`, or one of `kinds`, counted `at_most` times. With `times` it takes so many, all
    `within_days`, to make it once. Or, with `silent_days`, points that so many days without a sign take away."""

    rule: Name
    kind: Name | None = None
    kinds: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    when: str | None = None
    points: int
    at_most: Annotated[int, Field(ge=1)] = 1
    times: Annotated[int, Field(ge=1, le=1000)] = 1
    within_days: Days | None = None
    half_life_days: Days | None = None
    expires_days: Days | None = None
    silent_days: Days | None = None
    group: Name | None = None

    @model_validator(mode="after")
    def _says_what_is_done(self) -> EngagementRule:
        if self.silent_days is not None:
            others = {"kind", "kinds", "when", "at_most", "times", "within_days", "half_life_days", "expires_days"}
            if self.model_fields_set & others:
                raise ValueError(
                    f"silent_days stands alone; leave out {', '.join(sorted(self.model_fields_set & others))}"
                )
            if self.points >= 0:
                raise ValueError("silence takes points away; write a negative number")
            return self
        if (self.kind is None) == (self.kinds is None):
            raise ValueError("an engagement rule has `kind`, or a list `kinds`, or `silent_days`")
        if self.within_days is not None and self.times == 1:
            raise ValueError("within_days says how close together `times` have to be; give times, 2 or more")
        if self.when is not None:
            parse(self.when, INTERACTION_VOCABULARY)
        return self

    @property
    def names(self) -> Iterator[str]:
        """The kinds it names; `any` is every kind."""
        yield from self.kinds or (() if self.kind is None else (self.kind,))

    @property
    def condition(self) -> Condition | None:
        """What `when` says."""
        return None if self.when is None else parse(self.when, INTERACTION_VOCABULARY)
