"""A condition's text, read into what it says, with every fault named at its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from functools import lru_cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken, v_args

LONGEST = 1_000
DEEPEST = 20
ATTRIBUTE_PREFIX = "attributes."

GRAMMAR = r"""
    ?start: any
    ?any: all (OR all)*
    ?all: one (AND one)*
    ?one: NOT one -> negated
        | "(" any ")"
        | FIELD IS KNOWN -> known
        | FIELD IS UNKNOWN -> unknown
        | FIELD (SAME | OTHER | LEAST | MOST | ABOVE | BELOW) literal -> compared
        | FIELD IN list -> within
        | FIELD NOT IN list -> without
        | FIELD CONTAINS (literal | list) -> contains
        | FIELD NOT CONTAINS (literal | list) -> lacks
        | FIELD STARTS WITH (literal | list) -> begins
    list: "[" literal ("," literal)* ","? "]"
    literal: TEXT | NUMBER | TRUE | FALSE

    OR.2: /or\b/i
    AND.2: /and\b/i
    NOT.2: /not\b/i
    IS.2: /is\b/i
    IN.2: /in\b/i
    KNOWN.2: /known\b/i
    UNKNOWN.2: /unknown\b/i
    CONTAINS.2: /contains\b/i
    STARTS.2: /starts\b/i
    WITH.2: /with\b/i
    TRUE.2: /true\b/i
    FALSE.2: /false\b/i
    SAME: "=="
    OTHER: "!="
    LEAST: ">="
    MOST: "<="
    ABOVE: ">"
    BELOW: "<"
    TEXT: /"[^"\n]*"|'[^'\n]*'/
    NUMBER.1: /-?\d+(\.\d+)?/
    FIELD: /[^\W\d][\w]*(\.("[^"\n]+"|[\w:.-]+))?/
    %ignore /\s+/
"""

WORDS = {
    "OR": "or", "AND": "and", "NOT": "not", "IS": "is", "IN": "in", "KNOWN": "known", "UNKNOWN": "unknown",
    "CONTAINS": "contains", "STARTS": "starts with", "WITH": "with", "TRUE": "true", "FALSE": "false", "SAME": "==",
    "OTHER": "!=", "LEAST": ">=", "MOST": "<=", "ABOVE": ">", "BELOW": "<", "TEXT": 'a text in quotes',
    "NUMBER": "a number", "FIELD": "a field", "LPAR": "(", "RPAR": ")", "LSQB": "[", "RSQB": "]", "COMMA": ",",
    "$END": "the end",
}  # fmt: skip
"""What a person calls each piece."""

OTHERS = {"=": "==", "&": "and", "|": "or", "!": "not"}
"""What people write who know another language."""

ORDERED = frozenset({">=", "<=", ">", "<"})


class FieldKind(Enum):
    """What is known of a field, which decides how it can be compared."""

    TEXT = "text"
    TEXTS = "texts"
    """Several at once; one that fits is enough."""
    FLAG = "flag"
    """Only whether it is known."""
    ANY = "any"
    """Text, a number, or true and false: whatever the sender sent."""


Vocabulary = Mapping[str, FieldKind]
"""The fields there are, beside `attributes.<name>`."""


@dataclass(frozen=True, slots=True)
class Known:
    """The field is known."""

    field: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One of `literals` stands in the relation `operator` to the field's value. What is not known fulfils nothing."""

    field: str
    operator: str
    literals: tuple[str | float | bool, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What must not hold."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class And:
    """What must hold together."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Of what one is enough."""

    conditions: tuple[Condition, ...]


Condition = Known | Comparison | Not | And | Or


class WrongCondition(ValueError):
    """A text that is no condition. Says where and what to write instead."""


@v_args(inline=True)
class _Reader(Transformer[Token, Any]):
    def any(self, *parts: Any) -> Condition:
        return Or(tuple(part for part in parts if not isinstance(part, Token)))

    def all(self, *parts: Any) -> Condition:
        return And(tuple(part for part in parts if not isinstance(part, Token)))

    def negated(self, _not: Token, condition: Condition) -> Condition:
        return Not(condition)

    def known(self, field: Token, *_words: Token) -> Condition:
        return Known(_name(field))

    def unknown(self, field: Token, *_words: Token) -> Condition:
        return Not(Known(_name(field)))

    def compared(self, field: Token, operator: Token, literal: Any) -> Condition:
        if operator == "!=":
            return And((Known(_name(field)), Not(Comparison(_name(field), "==", (literal,)))))
        return Comparison(_name(field), str(operator), (literal,))

    def within(self, field: Token, _in: Token, literals: tuple[Any, ...]) -> Condition:
        return Comparison(_name(field), "==", literals)

    def without(self, field: Token, _not: Token, _in: Token, literals: tuple[Any, ...]) -> Condition:
        return And((Known(_name(field)), Not(Comparison(_name(field), "==", literals))))

    def contains(self, field: Token, _contains: Token, sought: Any) -> Condition:
        return Comparison(_name(field), "contains", sought if isinstance(sought, tuple) else (sought,))

    def lacks(self, field: Token, _not: Token, contains: Token, sought: Any) -> Condition:
        return And((Known(_name(field)), Not(self.contains(field, contains, sought))))

    def begins(self, field: Token, _starts: Token, _with: Token, sought: Any) -> Condition:
        return Comparison(_name(field), "starts with", sought if isinstance(sought, tuple) else (sought,))

    def list(self, *literals: Any) -> tuple[Any, ...]:
        return literals

    def literal(self, token: Token) -> str | float | bool:
        match token.type:
            case "TEXT":
                return str(token)[1:-1]
            case "NUMBER":
                return float(token) if "." in token else int(token)
            case kind:
                return kind == "TRUE"


_PARSER = Lark(GRAMMAR, parser="lalr", maybe_placeholders=False)


def _name(field: Token) -> str:
    """`attributes."annual revenue"` names the attribute between the quotes."""
    return str(field).replace('"', "")


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Condition:
    if len(text) > LONGEST:
        raise WrongCondition(f"the condition has {len(text)} characters, {LONGEST} at most; make it two rules")
    _refuse_depth(text)
    try:
        tree = _PARSER.parse(text)
    except UnexpectedInput as error:
        raise WrongCondition(_fault(text, error)) from None
    condition: Condition = _Reader().transform(tree)
    return condition


def parse(text: str, vocabulary: Vocabulary) -> Condition:
    """What a text says about the fields of `vocabulary`. Raises `WrongCondition`."""
    condition = _parsed(text)
    _check(condition, vocabulary)
    return condition


def fields_of(condition: Condition) -> frozenset[str]:
    """Every field that a condition looks at."""
    match condition:
        case Known(field) | Comparison(field):
            return frozenset({field})
        case Not(inner):
            return fields_of(inner)
        case And(parts) | Or(parts):
            return frozenset().union(*map(fields_of, parts))


def _refuse_depth(text: str) -> None:
    depth = 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if depth > DEEPEST:
            raise WrongCondition(f"parentheses are nested deeper than {DEEPEST}; make it two rules")
    if text.lower().count("not ") > DEEPEST:
        raise WrongCondition(f"`not` is there more than {DEEPEST} times; make it two rules")


def _fault(text: str, error: UnexpectedInput) -> str:
    place = error.pos_in_stream if error.pos_in_stream is not None and error.pos_in_stream >= 0 else len(text)
    if isinstance(error, UnexpectedToken):
        expected = sorted(error.accepts or error.expected)
    else:
        expected = sorted(getattr(error, "allowed", None) or ())
    wanted = list(dict.fromkeys(WORDS.get(name, name) for name in expected))
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        return f"the condition ends too early; write {_either(wanted)} next"
    found = str(error.token) if isinstance(error, UnexpectedToken) else text[place : place + 1]
    near = [OTHERS[found]] if found in OTHERS else get_close_matches(found.lower(), wanted, n=1)
    if near:
        advice = f"did you mean {near[0]}?"
    elif "TEXT" in expected and found[:1].isalpha():
        advice = f'put text in quotes: "{found}"'
    else:
        advice = f"write {_either(wanted)} there"
    return f"character {place + 1}: {found!r} is not understood; {advice}"


def _either(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)


def _check(condition: Condition, vocabulary: Vocabulary) -> None:
    match condition:
        case Not(inner):
            _check(inner, vocabulary)
        case And(parts) | Or(parts):
            for part in parts:
                _check(part, vocabulary)
        case Known(field):
            _kind(field, vocabulary)
        case Comparison(field, operator, literals):
            _check_comparison(field, _kind(field, vocabulary), operator, literals)


def _kind(field: str, vocabulary: Vocabulary) -> FieldKind:
    if field.startswith(ATTRIBUTE_PREFIX) and field != ATTRIBUTE_PREFIX:
        return FieldKind.ANY
    kind = vocabulary.get(field)
    if kind is None:
        near = get_close_matches(field, [*vocabulary, ATTRIBUTE_PREFIX + field.partition(".")[2]], n=1)
        advice = (
            f"did you mean {near[0]}?" if near else f"write one of {', '.join(vocabulary)}, or {ATTRIBUTE_PREFIX}<name>"
        )
        raise WrongCondition(f"{field!r} is no field here; {advice}")
    return kind


def _check_comparison(field: str, kind: FieldKind, operator: str, literals: tuple[str | float | bool, ...]) -> None:
    if kind is FieldKind.FLAG:
        raise WrongCondition(f"of {field} only whether it is there is known; write `{field} is known`")
    numbers = [literal for literal in literals if isinstance(literal, int | float) and not isinstance(literal, bool)]
    if operator in ORDERED:
        if kind is not FieldKind.ANY:
            raise WrongCondition(f"{operator} compares numbers and {field} is text; write ==, in or contains")
        if not numbers:
            raise WrongCondition(f"{operator} compares {field} with a number, written without quotes")
    elif operator in ("contains", "starts with") and len(numbers) != 0:
        raise WrongCondition(f"{operator} looks for text in {field}; put what it looks for in quotes")
    elif kind is not FieldKind.ANY and not all(isinstance(literal, str) for literal in literals):
        raise WrongCondition(f"{field} is text; put what it is compared with in quotes")
