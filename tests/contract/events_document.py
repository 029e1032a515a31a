"""docs/events.md, made from the wiring tables of every service: `python -m tests.contract.events_document` writes it."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from shared.contracts.envelope import Event, LifecycleEvent
from shared.contracts.topics import TOPICS, Topic

PATH = Path(__file__).parents[2] / "docs" / "events.md"
SERVICES = ("capture", "scoring", "pipeline", "metrics")

PLAIN_WORDS = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "datetime": "time",
    "AwareDatetime": "time",
}

INTRODUCTION = """# Events

Made from the wiring in each service's `app.py` and the classes in `shared/contracts`; `make docs` writes it anew and a
test keeps it true. Every event is JSON with the fields of the envelope below, in UTC, and is keyed by its `lead_id`: a lead's,
but on `pipeline.visits.v1` a visitor's, on `capture.quarantine.v1` an id of chance, and on `pipeline.erasures.v1` the order's own
where it names no lead.
"""


def wiring(
    service: str,
) -> tuple[Mapping[Topic, Mapping[type[Event], Callable[..., Any]]], Mapping[Topic, Iterable[type[Event]]]]:
    """What a service's composition root says comes in and goes out."""
    module = import_module(f"services.{service}.app")
    return getattr(module, "CONSUMES", {}), getattr(module, "PUBLISHES", {})


def render() -> str:
    """The whole document."""
    return "\n".join([INTRODUCTION, _flow(), _envelope(), *(_topic(topic) for topic in TOPICS.values())])


def _flow() -> str:
    lines = [
        "## Who publishes, who consumes",
        "",
        "| topic | event | published by | consumed by |",
        "|---|---|---|---|",
    ]
    for topic in TOPICS.values():
        for event in _events(topic):
            publishers = [name for name in SERVICES if event in wiring(name)[1].get(topic, ())]
            consumers = [
                f"{name} (`{handler.__name__}`)"
                for name in SERVICES
                if (handler := wiring(name)[0].get(topic, {}).get(event)) is not None
            ]
            lines.append(
                f"| `{topic.name}` | `{event.__name__}` | {', '.join(publishers)} | {', '.join(consumers) or '–'} |"
            )
    return "\n".join([*lines, ""])


def _events(topic: Topic) -> list[type[Event]]:
    union = get_args(topic.events._type)[0] if get_origin(topic.events._type) is not None else topic.events._type
    return [one for one in (get_args(union) or (union,)) if inspect.isclass(one) and issubclass(one, Event)]


def _envelope() -> str:
    rows = [_row(name, field) for name, field in Event.model_fields.items()]
    story = [_row(name, field) for name, field in LifecycleEvent.model_fields.items() if name not in Event.model_fields]
    head = ["| field | type | required |", "|---|---|---|"]
    return "\n".join(
        ["## The envelope", "", _text(Event), "", *head, *rows, "", "Lifecycle events add:", "", *head, *story, ""]
    )


def _topic(topic: Topic) -> str:
    kept = "for ever" if topic.retention is None else f"{topic.retention.days} days"
    lines = [f"## `{topic.name}`", "", f"Published by {topic.publisher}, kept {kept}.", ""]
    for event in _events(topic):
        known = LifecycleEvent.model_fields if issubclass(event, LifecycleEvent) else Event.model_fields
        own = [_row(name, field) for name, field in event.model_fields.items() if name not in known]
        lines += [f"### {event.__name__}", "", _text(event), ""]
        if own:
            lines += ["| field | type | required |", "|---|---|---|", *own, ""]
    return "\n".join(lines)


def _text(event: type[Event]) -> str:
    return inspect.cleandoc(event.__doc__ or "")


def _row(name: str, field: FieldInfo) -> str:
    return f"| `{name}` | {_type(field.annotation)} | {'yes' if field.is_required() else ''} |"


def _type(annotation: Any) -> str:
    if annotation is None or annotation is type(None):
        return "null"
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(one) for one in get_args(annotation) if one is not type(None))
    if origin is tuple:
        return f"list of {_type(get_args(annotation)[0])}"
    if origin is dict:
        return "object"
    if origin is not None and str(origin) == "typing.Literal":
        return " or ".join(f"`{one}`" for one in get_args(annotation))
    if origin is not None:
        return _type(get_args(annotation)[0])
    name: str = annotation.__name__
    return PLAIN_WORDS.get(name, name)


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
