"""How points become a score and a grade."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from shared.contracts.conditions import ATTRIBUTE_PREFIX, And, Comparison, Condition, Known, Not, Or, fields_of, parse
from shared.contracts.envelope import Name
from shared.contracts.policy.learning import Learning
from shared.contracts.policy.ratings import Grade, Ratings
from shared.contracts.policy.scoring_rules import (
    ANY_KIND,
    SEGMENT,
    SEGMENT_VOCABULARY,
    Cap,
    Decay,
    EngagementRule,
    FitRule,
)
from shared.contracts.policy.section import Section, refuse_twice


def _a_segments_condition(text: str) -> str:
    parse(text, SEGMENT_VOCABULARY)
    return text


SegmentCondition = Annotated[str, AfterValidator(_a_segments_condition)]


class Rules(Section):
    """Everything of a unit's scoring that may differ for a product or a segment."""

    fit: tuple[FitRule, ...] = ()
    engagement: tuple[EngagementRule, ...] = ()
    fit_at_most: Annotated[int, Field(ge=0)] = 60
    fit_at_least: Annotated[int, Field(le=0)] | None = None
    engagement_at_most: Annotated[int, Field(ge=0)] = 60
    engagement_at_least: Annotated[int, Field(le=0)] | None = None
    caps: dict[Name, Cap] = Field(default_factory=dict)
    decay: dict[Name, Decay] = Field(default_factory=dict)
    grades: tuple[Grade, ...] = (
        Grade(grade="A", at_least=70),
        Grade(grade="B", at_least=45),
        Grade(grade="C", at_least=20),
        Grade(grade="D", at_least=0),
    )
    ratings: Ratings = Ratings()
    retell_points: Annotated[int, Field(ge=1, le=100)] = 100

    def groups(self) -> set[str]:
        """The groups that rules are counted together in."""
        return {group for group in (*(r.group for r in self.fit), *(r.group for r in self.engagement)) if group}

    def refuse_faults(self) -> None:
        """Raises `ValueError` with the first fault of these rules together."""
        floors = [grade.at_least for grade in self.grades]
        if not floors or floors != sorted(floors, reverse=True) or floors[-1] > 0:
            raise ValueError("grades go from best to worst and the last one starts at 0")
        if floors[0] > 100 or len(set(floors)) != len(floors):
            raise ValueError("scores go from 0 to 100 and every grade starts at one of its own")
        for group in sorted(self.groups() - self.caps.keys()):
            raise ValueError(f"a rule is of group {group!r}, which has no cap; add it to caps, or leave the group out")
        for both in {rule.group for rule in self.fit} & {rule.group for rule in self.engagement} - {None}:
            raise ValueError(f"group {both!r} is in fit and in engagement; give each its own")
        refuse_twice("grade", (grade.grade for grade in self.grades))
        refuse_twice("rule", [rule.rule for rule in self.fit] + [rule.rule for rule in self.engagement])

    def conditions(self) -> list[Condition]:
        """Every condition on the lead or on what it does."""
        found = [*(rule.condition for rule in self.fit), *(rule.condition for rule in self.engagement)]
        return [condition for condition in found if condition is not None]

    def attributes(self) -> frozenset[str]:
        """The attributes that the rules look at."""
        fields = {rule.field for rule in self.fit if rule.field is not None}
        return _attributes(fields.union(*map(fields_of, self.conditions())))


class Variant(Rules):
    """What is different for some products or segments: what it names is put in the place of the unit's own."""

    variant: Name
    products: tuple[Name, ...] = ()
    segments: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _is_for_somebody(self) -> Variant:
        if not self.products and not self.segments:
            raise ValueError("a variant is for some products, some segments, or both; name them")
        return self


class Scoring(Rules):
    """How points become a score from 0 to 100 and a grade."""

    segments: dict[Name, SegmentCondition] = Field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    keep_attributes: tuple[Name, ...] = ()
    model: Learning = Learning()

    @model_validator(mode="after")
    def _rules_fit_together(self) -> Scoring:
        self.refuse_faults()
        for group in sorted(self.caps.keys() - self.groups().union(*(one.groups() for one in self.variants))):
            raise ValueError(f"no rule is of the capped group {group!r}; give its rules `group: {group}`")
        refuse_twice("variant", (variant.variant for variant in self.variants))
        for variant in self.variants:
            for segment in variant.segments:
                self._refuse_unknown_segment(segment)
            try:
                self.rules_of(variant).refuse_faults()
            except ValueError as error:
                raise ValueError(f"variant {variant.variant!r}: {error}") from None
        for rules in (self, *self.variants):
            for condition in rules.conditions():
                for segment in _segments_named(condition):
                    self._refuse_unknown_segment(segment)
        return self

    def rules_of(self, variant: Variant | None) -> Rules:
        """The rules of a variant, or the unit's own."""
        given: dict[str, Any] = {name: getattr(self, name) for name in Rules.model_fields}
        if variant is not None:
            own = variant.model_fields_set & Rules.model_fields.keys()
            given.update({name: getattr(variant, name) for name in own})
        return Rules.model_construct(**given)

    def kinds(self) -> frozenset[str]:
        """The kinds of interactions that rules name."""
        rules = (rule for plan in (self, *self.variants) for rule in plan.engagement)
        return frozenset(kind for rule in rules for kind in rule.names) - {ANY_KIND}

    def stored_attributes(self) -> frozenset[str]:
        """The attributes that rules and segments look at, and those kept for what may come."""
        segments = (parse(text, SEGMENT_VOCABULARY) for text in self.segments.values())
        named = _attributes(frozenset[str]().union(*map(fields_of, segments)))
        return frozenset(self.keep_attributes).union(
            named, self.attributes(), *(variant.attributes() for variant in self.variants)
        )

    def _refuse_unknown_segment(self, segment: str) -> None:
        if segment not in self.segments:
            known = ", ".join(self.segments) or "none"
            raise ValueError(f"{segment!r} is no segment; there is {known}")


def _attributes(fields: frozenset[str] | set[str]) -> frozenset[str]:
    return frozenset(field.removeprefix(ATTRIBUTE_PREFIX) for field in fields if field.startswith(ATTRIBUTE_PREFIX))


def _segments_named(condition: Condition) -> set[str]:
    match condition:
        case Comparison(field, _, literals):
            return {str(literal) for literal in literals} if field == SEGMENT else set()
        case Not(inner):
            return _segments_named(inner)
        case And(parts) | Or(parts):
            return set[str]().union(*map(_segments_named, parts))
        case Known():
            return set()
