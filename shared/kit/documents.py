"""YAML files that people write, read into models, with errors that name the line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from shared.kit.errors import LeadflowError

ModelT = TypeVar("ModelT", bound=BaseModel)


class InvalidDocument(LeadflowError):
    """A file a person wrote cannot be understood. Names the file, the lines and the faults, all at once."""


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
        faults = [
            f"{path}:{_line(root, fault['loc'])}: {_place(fault['loc'])}: {fault['msg']}" for fault in error.errors()
        ]
        raise InvalidDocument("\n".join(dict.fromkeys(faults))) from None


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
