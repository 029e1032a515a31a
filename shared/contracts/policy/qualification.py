"""When a lead is worth a salesperson's time: by itself, or once somebody says yes; in a unit, and of a product."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from shared.contracts.conditions import (
    ATTRIBUTE_PREFIX,
    And,
    Condition,
    FieldKind,
    Known,
    Not,
    Or,
    Vocabulary,
    WrongCondition,
    fields_of,
    folded,
    parse,
)
from shared.contracts.envelope import Name
from shared.contracts.interactions import INTERACTION_KINDS
from shared.contracts.policy.follow_up import Within
from shared.contracts.policy.section import Section, refuse_twice

ACTIVITY_PREFIX = "activity."

ANY_ACTIVITY = "any"


class _WithActivity(dict[str, FieldKind]):
    """The fields there are, and `activity.<kind>` for every kind of interaction, a unit's own among them."""

    def get(self, field: str, default: Any = None) -> Any:
        return FieldKind.ANY if field.startswith(ACTIVITY_PREFIX) else super().get(field, default)


QUALIFICATION_VOCABULARY: Vocabulary = _WithActivity(
    {
        **dict.fromkeys(("country", "language", "company", "job_title"), FieldKind.TEXT),
        **dict.fromkeys(("name", "email", "phone"), FieldKind.FLAG),
        **dict.fromkeys(("product", "channel", "source", "medium", "campaign", "grade"), FieldKind.TEXT),
        **dict.fromkeys(("score", "probability"), FieldKind.ANY),
        "consent": FieldKind.TEXTS,
    }
)
"""What a qualification may look at: who the lead is, how it was first reached, what scoring says, which purposes are granted,
and how often it did what."""

_FIELDS = ", ".join(QUALIFICATION_VOCABULARY)

RequiredField = Literal[
    "name", "email", "phone", "company", "job_title", "country", "language", "product", "channel", "source", "campaign"
]


def _a_condition(text: str) -> str:
    condition = parse(text, QUALIFICATION_VOCABULARY)
    for field in fields_of(condition):
        if field.startswith(ATTRIBUTE_PREFIX):
            raise WrongCondition(
                f"{field!r} is not kept where leads are qualified; write one of {_FIELDS}, or {ACTIVITY_PREFIX}<kind>"
            )
    for field in _asked_if_known(condition):
        if field.startswith(ACTIVITY_PREFIX):
            raise WrongCondition(f"how often something was done is always known; write {field} >= 1")
    return text


def _asked_if_known(condition: Condition) -> Iterator[str]:
    match condition:
        case Known(field):
            yield field
        case Not(inner):
            yield from _asked_if_known(inner)
        case And(parts) | Or(parts):
            for part in parts:
                yield from _asked_if_known(part)
        case _:
            return


QualificationCondition = Annotated[str, AfterValidator(_a_condition)]


class QualificationRule(Section):
    """One way to qualify: the condition holds and the required fields are known. With `confirm` the lead then waits for
    somebody who says yes."""

    rule: Name
    when: QualificationCondition | None = None
    required: tuple[RequiredField, ...] = ()
    confirm: bool | None = None


class Criteria(Section):
    """What has to hold of every lead, and the rules of which one is enough; without rules nothing more is asked. `automatic`
    decides on every new score; a person always may. Where rules are named the score counts only if `min_score` is."""

    automatic: bool = True
    min_score: int = 60
    grades: tuple[Name, ...] = ()
    when: QualificationCondition | None = None
    required: tuple[RequiredField, ...] = ()
    rules: tuple[QualificationRule, ...] = ()
    confirm: bool = False
    confirm_by: Name | None = None
    confirm_within: Within = "8h"

    @model_validator(mode="before")
    @classmethod
    def _rules_say_which_score(cls, section: Any) -> Any:
        if isinstance(section, dict) and section.get("rules") and "min_score" not in section:
            return {**section, "min_score": 0}
        return section

    @model_validator(mode="after")
    def _rules_differ(self) -> Criteria:
        refuse_twice("qualification rule", (one.rule for one in self.rules))
        return self

    def kinds(self) -> set[str]:
        """The kinds of interactions that are looked at."""
        conditions = [one for one in (self.when, *(rule.when for rule in self.rules)) if one is not None]
        fields = {field for one in conditions for field in fields_of(parse(one, QUALIFICATION_VOCABULARY))}
        named = {field.removeprefix(ACTIVITY_PREFIX) for field in fields if field.startswith(ACTIVITY_PREFIX)}
        return named - {ANY_ACTIVITY}


class Qualification(Criteria):
    """The criteria of a unit, and those of products that have their own."""

    products: dict[Name, Criteria] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _products_differ(self) -> Qualification:
        refuse_twice("product", map(folded, self.products))
        return self

    def all(self) -> list[tuple[str | None, Criteria]]:
        """Every criteria by its product, the unit's own first."""
        return [(None, self), *self.products.items()]


def check_qualification(
    found: Qualification, *, grades: list[str], owners: frozenset[str], own_kinds: frozenset[str]
) -> None:
    """Refuses names that the rest of the unit's policy does not know. Raises `ValueError`."""
    for product, criteria in found.all():
        what = "qualification" if product is None else f"qualification of product {product!r}"
        for grade in criteria.grades:
            if grade not in grades:
                raise ValueError(
                    f"{what} names grade {grade!r}, which scoring never gives; it gives {', '.join(grades)}"
                )
        if criteria.confirm_by is not None and owners and criteria.confirm_by not in owners:
            raise ValueError(f"{what} asks {criteria.confirm_by!r}, who is not under routing.owners")
        for kind in sorted(criteria.kinds() - INTERACTION_KINDS.keys() - own_kinds):
            near = get_close_matches(kind, [*INTERACTION_KINDS, *own_kinds], n=1)
            advice = (
                f"did you mean {near[0]}?" if near else "write one that there is, or list it under vocabularies.kind"
            )
            raise ValueError(f"{what} counts {ACTIVITY_PREFIX}{kind}, which is no kind of interaction; {advice}")
