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


MOST_ALIASES = 100
"""How often a document that somebody sends may repeat a part of itself by `*name`: each repetition may repeat others."""


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
    """What somebody sent as `model`, or everything that is wrong with it."""
    try:
        aliases = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader))
        if aliases > MOST_ALIASES:
            return None, [Fault(1, "the document", f"repeats parts of itself {aliases} times, {MOST_ALIASES} at most")]
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it cannot be read"
        return None, [Fault(mark.line + 1 if mark is not None else 1, "the document", f"is not YAML: {problem}")]
    try:
        return model.model_validate(content), []
    except (ValidationError, RecursionError) as error:
        if isinstance(error, ValidationError):
            return None, sorted(dict.fromkeys(_faults(root, error)))
        return None, [Fault(1, "the document", "is nested too deeply")]


def _faults(root: Any, error: ValidationError) -> list[Fault]:
    return [Fault(_line(root, fault["loc"]), _place(fault["loc"]), fault["msg"]) for fault in error.errors()]


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
