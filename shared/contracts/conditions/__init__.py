"""The small language in which a policy says when something holds: `country in ["NL", "DE"] and attributes.employees >= 200`.

`language` reads and checks it, `values` says how two values are compared, `meaning` makes it a function. Nothing in it
loops, calls or matches patterns, so that no condition can be slow, whatever it is asked about.
"""

from shared.contracts.conditions.language import (
    ATTRIBUTE_PREFIX,
    And,
    Comparison,
    Condition,
    FieldKind,
    Known,
    Not,
    Or,
    Vocabulary,
    WrongCondition,
    fields_of,
    parse,
)
from shared.contracts.conditions.meaning import Test, ValueTest, compiled, value_test
from shared.contracts.conditions.values import Value, folded, number_of, spaced, text_of

__all__ = [
    "ATTRIBUTE_PREFIX",
    "And",
    "Comparison",
    "Condition",
    "FieldKind",
    "Known",
    "Not",
    "Or",
    "Test",
    "Value",
    "ValueTest",
    "Vocabulary",
    "WrongCondition",
    "compiled",
    "fields_of",
    "folded",
    "number_of",
    "parse",
    "spaced",
    "text_of",
    "value_test",
]
