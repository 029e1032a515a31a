"""YAML files that people write, read into models, with errors that name the line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from shared.kit.errors import LeadflowError

ModelT = TypeVar("ModelT", bound=BaseModel)


class InvalidDocument(LeadflowError):
    """A file a person wrote cannot be understood. Names the file, the lines and the faults, all at once."""


class Fault(NamedTuple):
    """What is wrong with a document, on which line, and of which part."""

    line: int
    place: str
    problem: str


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The fast reader, where PyYAML was built with it: ten times as fast, for what anybody may send."""

MOST_ALIASES = 100
"""How often a document that somebody sends may repeat a part of itself by `*name`: each repetition may repeat others."""
MOST_NODES = 20_000
MOST_DEPTH = 32
MOST_LETTERS = 10_000
"""How large a document that somebody sends may be: in values, in levels, and in letters of one value. Reading one that is larger
would keep a processor busy for minutes."""
MOST_FAULTS = 200
"""Of so many faults of such a document the lines are looked up, and no more are told."""


def read_yaml(path: Path | str, model: type[ModelT]) -> ModelT:
    """The file's content as `model`. Raises `InvalidDocument`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidDocument(f"{path} cannot be read: {error.strerror}. Give the path of a YAML file.") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidDocument(f"{path} is not YAML: {error}") from None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        faults = [f"{path}:{one.line}: {one.place}: {one.problem}" for one in _faults(root, error)]
        raise InvalidDocument("\n".join(dict.fromkeys(faults))) from None


def understood(text: str, model: type[ModelT]) -> tuple[ModelT | None, list[Fault]]:
    """What somebody sent as `model`, or what is wrong with it."""
    try:
        if (fault := _too_much(text)) is not None:
            return None, [fault]
        loader = _LOADER(text)
        root = loader.get_single_node()
        content = loader.construct_document(root) if root is not None else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it cannot be read"
        return None, [Fault(mark.line + 1 if mark is not None else 1, "the document", f"is not YAML: {problem}")]
    try:
        return model.model_validate(content), []
    except (ValidationError, RecursionError) as error:
        if isinstance(error, ValidationError):
            return None, sorted(dict.fromkeys(_faults(root, error, MOST_FAULTS)))
        return None, [Fault(1, "the document", "is nested too deeply")]


def _too_much(text: str) -> Fault | None:
    """Whether a document is larger than any that people write, found while it is gone over, and no further than there. A part that
    is repeated counts each time: what is merged by `<<` grows with every repetition of a repetition."""
    aliases = nodes = 0
    around: list[tuple[str | None, int]] = []
    sizes: dict[str | None, int] = {}
    for event in yaml.parse(text, Loader=_LOADER):
        line = event.start_mark.line + 1 if event.start_mark is not None else 1
        if isinstance(event, yaml.CollectionStartEvent):
            around.append((event.anchor, nodes))
            nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = around.pop()
            sizes[anchor] = nodes - before
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in around):
                return Fault(line, "the document", f"repeats {event.anchor} within itself")
            aliases += 1
            nodes += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            if len(event.value) > MOST_LETTERS:
                return Fault(line, "the document", f"has a value of {len(event.value)} letters, {MOST_LETTERS} at most")
            sizes[event.anchor] = 1
            nodes += 1
        if len(around) > MOST_DEPTH:
            return Fault(line, "the document", f"is nested more than {MOST_DEPTH} levels deep")
        if aliases > MOST_ALIASES:
            return Fault(line, "the document", f"repeats parts of itself more than {MOST_ALIASES} times")
        if nodes > MOST_NODES:
            return Fault(line, "the document", f"has more than {MOST_NODES} values")
    return None


def _faults(root: Any, error: ValidationError, most: int | None = None) -> list[Fault]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [Fault(_line(root, fault["loc"]), _place(fault["loc"]), fault["msg"]) for fault in found[:most]]


def _place(location: Sequence[int | str]) -> str:
    return ".".join(str(step) for step in location) or "the document"


def _line(node: Any, location: Sequence[int | str]) -> int:
    """The line where a fault's place begins, or the nearest place around it that is in the file."""
    for step in location:
        child = None
        if isinstance(node, yaml.MappingNode):
            child = next((value for key, value in node.value if key.value == str(step)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            child = node.value[step]
        if child is None:
            break
        node = child
    return 1 if node is None else node.start_mark.line + 1
