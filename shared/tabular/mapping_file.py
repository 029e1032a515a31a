"""Mapping files, read with every fault named by line and with its fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import yaml

from shared.tabular import jalali
from shared.tabular.errors import Unreadable
from shared.tabular.fields import ATTRIBUTE, HISTORY_EVENTS, Kind, Unusable, fields_of, read_time, zone_named
from shared.tabular.lookup import table_in
from shared.tabular.mapping import KEEP, SKIP, Condition, FieldRule, FileMapping, Template
from shared.tabular.numbers import DECIMALS

_TOP = ("events", "shared", "ignore", "zone", "together")
_TABLE = ("file", "key", "value")
_LINE = ("product", "quantity", "unit_price", "discount")
_RULE = (
    "column",
    "columns",
    "join",
    "constant",
    "values",
    "table",
    "default",
    "date_format",
    "decimal",
    "zone",
    "required",
)
_TEST = ("equals", "one_of", "contains", "present", "not")
MAX_MAPPING_CHARACTERS = 100_000
_SEE = "docs/importing.md describes the format."


class MappingFault(Unreadable):
    """A mapping cannot be understood."""


def read_mapping(path: Path, kind: Kind) -> FileMapping:
    """The mapping in a YAML file. Raises `MappingFault`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MappingFault(f"{path} cannot be read: {error.strerror}.", "Give --map the path of a YAML file.") from None
    except UnicodeDecodeError:
        raise MappingFault(f"{path} is not UTF-8 text.", "Save it in UTF-8.") from None
    return parse_mapping(text, kind, called=str(path), folder=path.parent)


def parse_mapping(text: str, kind: Kind, *, called: str, folder: Path | None = None) -> FileMapping:
    """The mapping that a text in YAML describes; its tables are files in a folder, or there are none. Raises `MappingFault`."""
    if len(text) > MAX_MAPPING_CHARACTERS:
        raise MappingFault(f"{called} is longer than {MAX_MAPPING_CHARACTERS} characters.", _SEE)
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise MappingFault(f"{called} is not YAML: {error}", _SEE) from None
    if root is None:
        raise MappingFault(f"{called} is empty.", _SEE)
    return _Reader(called, kind, folder).mapping(root)


def check_against(mapping: FileMapping, called: str | Path, columns: Sequence[str]) -> None:
    """Raises `MappingFault` when the mapping reads columns that the file does not have."""
    unknown = sorted(mapping.columns - set(columns))
    if columns and unknown:
        name = unknown[0]
        near = difflib.get_close_matches(name, columns, n=1)
        raise MappingFault(
            f"{called} reads column {name!r}, which the file does not have.",
            f"For a fixed value write {{constant: {name}}}." if not near else "Is another column meant?",
            columns=near or columns,
        )


class _Reader:
    """Walks the YAML tree, so that each fault knows its line. Every scalar is text: no dates, no yes for true."""

    def __init__(self, called: str, kind: Kind, folder: Path | None) -> None:
        self._called = called
        self._folder = folder
        self._kind = kind
        self._fields = fields_of(kind)

    def mapping(self, root: yaml.Node) -> FileMapping:
        ignored: frozenset[str] = frozenset()
        zone: tzinfo | None = None
        shared: dict[str, FieldRule] = {}
        together: str | None = None
        events = root
        if isinstance(root, yaml.MappingNode):
            parts = self._parts(root, _TOP, "a mapping file")
            if "events" not in parts:
                raise self._fault(root, "there are no `events`", "Give a list of event templates under `events:`.")
            events = parts["events"]
            ignored = frozenset(self._texts(parts["ignore"])) if "ignore" in parts else ignored
            zone = self._zone(parts["zone"]) if "zone" in parts else zone
            shared = self._rules(parts["shared"]) if "shared" in parts else shared
            together = self._together(parts["together"]) if "together" in parts else together
        if not isinstance(events, yaml.SequenceNode) or not events.value:
            raise self._fault(events, "a list of event templates belongs here", "Begin each template with a dash.")
        templates = tuple(self._template(node, shared, zone) for node in events.value)
        return FileMapping(templates, ignored, zone, together)

    def _together(self, node: yaml.Node) -> str:
        if self._kind == "leads":
            raise self._fault(node, "several rows are never one lead", "Leave it out.")
        return self._text(node)

    def _template(self, node: yaml.Node, shared: Mapping[str, FieldRule], zone: tzinfo | None) -> Template:
        entries = self._entries(node, "a template")
        when = next((value for key, value in entries if key.value == "when"), None)
        conditions = () if when is None else tuple(self._conditions(when))
        own = {key.value: self._rule(key, value) for key, value in entries if key.value != "when"}
        fields = {**shared, **own}
        for name in ("external_id", "event", "occurred_at") if self._kind == "history" else ():
            if name not in fields:
                raise self._fault(node, f"the template has no {name}", f"Every event of history needs `{name}:`.")
        if not fields:
            raise self._fault(node, "the template maps no field", "Name at least one field and its column.")
        for name, rule in fields.items():
            for fixed in (rule.constant, rule.default):
                if fixed not in (None, SKIP, KEEP) and name in ("occurred_at", "expected_close"):
                    self._check_time(node, name, str(fixed), rule.zone or zone)
        return Template(conditions, fields, node.start_mark.line + 1)

    def _check_time(self, node: yaml.Node, name: str, fixed: str, zone: tzinfo | None) -> None:
        try:
            read_time(fixed, name, zone)
        except Unusable as fault:
            raise self._fault(node, str(fault), "Write a fixed time as ISO 8601, such as 2018-01-01.") from None

    def _rules(self, node: yaml.Node) -> dict[str, FieldRule]:
        return {key.value: self._rule(key, value) for key, value in self._entries(node, "`shared`")}

    def _rule(self, key: yaml.ScalarNode, node: yaml.Node) -> FieldRule:
        name = str(key.value)
        if name not in self._fields and not (name.startswith(ATTRIBUTE) and len(name) > len(ATTRIBUTE)):
            near = difflib.get_close_matches(name, [*self._fields, "when"], n=1)
            fix = f"Did you mean `{near[0]}`?" if near else f"For anything else write `{ATTRIBUTE}{name}`."
            raise self._fault(key, f"`{name}` is no field of {self._kind}", fix)
        if isinstance(node, yaml.ScalarNode):
            if not node.value:
                raise self._fault(key, f"`{name}` has no value", "Name a column, or leave the line out.")
            if name == "event" and node.value in HISTORY_EVENTS:
                return FieldRule(constant=node.value)
            return FieldRule(columns=(node.value,))
        if (
            name == "lines"
            and isinstance(node, yaml.MappingNode)
            and "column" not in {key.value for key, _ in node.value}
        ):
            return self._lines(node)
        parts = self._parts(node, _RULE, f"`{name}`")
        given = [word for word in ("column", "columns", "constant") if word in parts]
        if len(given) != 1:
            raise self._fault(node, f"`{name}` needs exactly one of column, columns, constant", _SEE)
        if "constant" in parts and (beside := [word for word in parts if word not in ("constant", "zone")]):
            raise self._fault(node, f"`{name}` is a constant, so {', '.join(beside)} has no meaning", "Leave it out.")
        columns = self._texts(parts["columns"]) if "columns" in parts else ()
        values = None
        if "values" in parts:
            values = {str(k.value): self._text(v) for k, v in self._entries(parts["values"], "`values`")}
        if "table" in parts:
            if values is not None:
                raise self._fault(node, f"`{name}` has both values and a table", "Leave one of them.")
            values = self._table(parts["table"])
        rule = FieldRule(
            columns=(self._text(parts["column"]),) if "column" in parts else tuple(columns),
            join=self._text(parts["join"]) if "join" in parts else " ",
            constant=self._text(parts["constant"]) if "constant" in parts else None,
            values=values,
            default=self._text(parts["default"]) if "default" in parts else None,
            date_formats=tuple(self._formats(parts["date_format"])) if "date_format" in parts else (),
            decimal=self._decimal(parts["decimal"]) if "decimal" in parts else None,
            zone=self._zone(parts["zone"]) if "zone" in parts else None,
            required=self._truth(parts["required"]) if "required" in parts else False,
        )
        if rule.default == KEEP and rule.values is None:
            raise self._fault(node, f"`{name}`: default keep has no meaning without values or a table", "Leave it out.")
        self._check_events(node, name, rule)
        return rule

    def _lines(self, node: yaml.Node) -> FieldRule:
        parts = {part: self._of_a_line(value) for part, value in self._parts(node, _LINE, "`lines`").items()}
        for needed in ("product", "unit_price"):
            if needed not in parts:
                raise self._fault(node, f"`lines` has no {needed}", "Write lines: {product: …, unit_price: …}.")
        return FieldRule(parts=parts)

    def _of_a_line(self, node: yaml.Node) -> FieldRule:
        if isinstance(node, yaml.ScalarNode):
            return FieldRule(columns=(self._text(node),))
        return self._rule(yaml.ScalarNode(node.tag, f"{ATTRIBUTE}line", node.start_mark), node)

    def _table(self, node: yaml.Node) -> dict[str, str]:
        """The values that another file has."""
        parts = {part: self._text(value) for part, value in self._parts(node, _TABLE, "`table`").items()}
        if missing := [part for part in _TABLE if not parts.get(part)]:
            raise self._fault(
                node, f"`table` has no {missing[0]}", "Write table: {file: owners.csv, key: id, value: name}."
            )
        if self._folder is None:
            raise self._fault(node, "a mapping that is sent or kept reads no files", "Write the table under `values`.")
        try:
            return table_in(self._folder / parts["file"], parts["key"], parts["value"])
        except Unreadable as fault:
            raise self._fault(node, fault.detail.removesuffix("."), fault.fix or _SEE) from None

    def _decimal(self, node: yaml.Node) -> str:
        sign = self._text(node)
        if sign not in DECIMALS:
            raise self._fault(node, f"{sign!r} is no decimal sign", 'Write decimal: "," or decimal: ".".')
        return sign

    def _check_events(self, node: yaml.Node, name: str, rule: FieldRule) -> None:
        fixed = [rule.constant, rule.default, *(rule.values or {}).values()]
        unknown = [each for each in fixed if each not in (None, SKIP, KEEP, *HISTORY_EVENTS)]
        if name == "event" and unknown:
            near = difflib.get_close_matches(str(unknown[0]), HISTORY_EVENTS, n=1)
            fix = f"Did you mean {near[0]}?" if near else f"The events are {', '.join(HISTORY_EVENTS)}."
            raise self._fault(node, f"{unknown[0]!r} is no event", fix)

    def _conditions(self, node: yaml.Node) -> Iterable[Condition]:
        for key, value in self._entries(node, "`when`"):
            yield self._condition(str(key.value), value)

    def _condition(self, column: str, node: yaml.Node) -> Condition:
        if isinstance(node, yaml.ScalarNode):
            return Condition(column, equals=node.value)
        if isinstance(node, yaml.SequenceNode):
            return Condition(column, one_of=frozenset(self._texts(node)))
        parts = self._parts(node, _TEST, f"the condition on {column}")
        if not parts:
            raise self._fault(node, f"the condition on {column} is empty", f"Write one of {', '.join(_TEST)}.")
        return Condition(
            column,
            equals=self._text(parts["equals"]) if "equals" in parts else None,
            one_of=frozenset(self._texts(parts["one_of"])) if "one_of" in parts else None,
            contains=self._text(parts["contains"]) if "contains" in parts else None,
            present=self._truth(parts["present"]) if "present" in parts else None,
            negated=(self._condition(column, parts["not"]),) if "not" in parts else (),
        )

    def _formats(self, node: yaml.Node) -> list[str]:
        formats = [self._text(node)] if isinstance(node, yaml.ScalarNode) else self._texts(node)
        for form in formats:
            if form not in ("iso", "unix", "unix_ms") and not reads_back(form):
                raise self._fault(
                    node,
                    f"{form!r} is no date format that can be read",
                    "Write iso, unix, unix_ms, one such as %d.%m.%Y, or one such as jalali %Y/%m/%d.",
                )
        return formats

    def _zone(self, node: yaml.Node) -> tzinfo:
        try:
            return zone_named(self._text(node))
        except ValueError as error:
            raise self._fault(node, str(error), "Use a name of the IANA time zone database.") from None

    def _truth(self, node: yaml.Node) -> bool:
        text = self._text(node).lower()
        if text not in ("true", "false"):
            raise self._fault(node, f"{text!r} is neither true nor false", "Write true or false.")
        return text == "true"

    def _text(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._fault(node, "one value belongs here", _SEE)
        return str(node.value)

    def _texts(self, node: yaml.Node) -> list[str]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._fault(node, "a list belongs here", "Write [one, two] or one value a line after a dash.")
        return [self._text(each) for each in node.value]

    def _entries(self, node: yaml.Node, what: str) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            raise self._fault(node, f"{what} is a list of `name: value` lines", _SEE)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._fault(key, "a name belongs here", _SEE)
            if key.value in seen:
                raise self._fault(key, f"`{key.value}` is there twice", "Leave one out.")
            seen.add(key.value)
        return list(node.value)

    def _parts(self, node: yaml.Node, known: Sequence[str], what: str) -> dict[str, yaml.Node]:
        parts = {}
        for key, value in self._entries(node, what):
            if key.value not in known:
                near = difflib.get_close_matches(str(key.value), known, n=1)
                fix = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(known)}."
                raise self._fault(key, f"`{key.value}` is not known in {what}", fix)
            parts[str(key.value)] = value
        return parts

    def _fault(self, node: yaml.Node, problem: str, fix: str) -> MappingFault:
        return MappingFault(f"{self._called}, line {node.start_mark.line + 1}: {problem}.", fix)


def reads_back(form: str) -> bool:
    """Whether a strptime format reads what it writes, so that a slip in it is found before the first row."""
    if form.startswith(jalali.PREFIX):
        form = form.removeprefix(jalali.PREFIX).replace("%B", "%m")
        if not jalali.is_whole(form):
            return False
    try:
        datetime.strptime(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).strftime(form), form)  # noqa: DTZ007
    except ValueError:
        return False
    return "%" in form
