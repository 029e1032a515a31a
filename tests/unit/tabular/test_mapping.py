"""A mapping file turns one row into the events it stands for, or says what is wrong with itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.tabular.errors import Unreadable
from shared.tabular.fields import Kind
from shared.tabular.mapping import FileMapping, MappedEvent
from shared.tabular.mapping_file import check_against, read_mapping
from shared.tabular.plain import Shape


def mapping(folder: Path, text: str, kind: Kind = "history") -> FileMapping:
    path = folder / "map.yaml"
    path.write_text(text)
    return read_mapping(path, kind)


def events(rules: FileMapping, kind: Kind = "history", **columns: str) -> list[MappedEvent]:
    given: dict[str, Any] = {name: value for name, value in columns.items() if value}
    return rules.events(given, Shape(kind), rules.columns)


BASE = """
- event: opportunity_opened
  external_id: id
  occurred_at: at
"""


def test_a_row_may_stand_for_several_events(tmp_path: Path) -> None:
    rules = mapping(
        tmp_path,
        """
shared: {external_id: id}
events:
  - {event: opportunity_opened, occurred_at: opened}
  - {when: {state: Won}, event: won, occurred_at: closed}
""",
    )
    made = events(rules, id="7", opened="2026-01-01", closed="2026-02-01", state="Won")
    assert [each.document["event"] for each in made] == ["opportunity_opened", "won"]
    assert [each.document["event"] for each in events(rules, id="7", opened="2026-01-01", state="Lost")] == [
        "opportunity_opened"
    ]


@pytest.mark.parametrize(
    ("condition", "state", "holds"),
    [
        ("Won", "Won", True),
        ("Won", "Lost", False),
        ("[Won, Lost]", "Lost", True),
        ("{equals: Won}", "Won", True),
        ("{one_of: [Won]}", "Lost", False),
        ("{contains: on}", "Won", True),
        ("{present: true}", "", False),
        ("{present: false}", "", True),
        ("{not: Won}", "Won", False),
        ("{not: {one_of: [Won, Lost]}}", "Open", True),
        ("{present: true, not: Won}", "", False),
    ],
)
def test_conditions(tmp_path: Path, condition: str, state: str, holds: bool) -> None:
    rules = mapping(tmp_path, f"{BASE}  when: {{state: {condition}}}\n")
    assert bool(events(rules, id="7", at="2026-01-01", state=state)) is holds


def test_unmapped_columns_become_attributes_unless_ignored(tmp_path: Path) -> None:
    rules = mapping(tmp_path, f"ignore: [noise]\nevents:{BASE}")
    (made,) = events(rules, id="7", at="2026-01-01", region="North", noise="x")
    assert made.document["attributes"] == {"region": "North"}


@pytest.mark.parametrize(
    ("rule", "cell", "value"),
    [
        ("{column: p, values: {GTXPro: GTX Pro}, default: keep}", "GTXPro", "GTX Pro"),
        ("{column: p, values: {GTXPro: GTX Pro}, default: keep}", "MG", "MG"),
        ("{column: p, values: {GTXPro: GTX Pro}, default: other}", "MG", "other"),
        ("{column: p, default: none given}", "", "none given"),
        ("{column: p}", "", None),
        ("{constant: GTX}", "MG", "GTX"),
        ("p", "MG", "MG"),
        ("{columns: [p, id], join: '-'}", "MG", "MG-7"),
    ],
)
def test_a_fields_value(tmp_path: Path, rule: str, cell: str, value: str | None) -> None:
    (made,) = events(mapping(tmp_path, f"{BASE}  product: {rule}\n"), id="7", at="2026-01-01", p=cell)
    assert made.document.get("product") == value


def test_a_value_may_mean_that_there_is_no_event(tmp_path: Path) -> None:
    rules = mapping(tmp_path, f"{BASE}  stage: {{column: s, values: {{A: skip, B: open}}, default: skip}}\n")
    assert [len(events(rules, id="7", at="2026-01-01", s=state)) for state in ("A", "B", "C")] == [0, 1, 0]


@pytest.mark.parametrize(
    ("rule", "columns", "fault"),
    [
        ("product: {column: p, values: {A: B}}", {"p": "C"}, "product: the value of column p is not in"),
        ("amount: {column: p, required: true}", {}, "amount: column p is empty"),
        ("expected_close: {column: p, date_format: '%d.%m.%Y'}", {"p": "2026-01-01"}, "expected_close: does not fit"),
        ("amount: p", {"p": "1.234,50"}, "amount: is no plain number such as 1234.50"),
        ("cost: {column: p, decimal: ','}", {"p": "1.5"}, "cost: is no number with ','"),
        ("expected_close: p", {"p": "soon"}, "expected_close: is no ISO 8601 time"),
    ],
)
def test_a_row_without_what_the_mapping_needs_is_rejected_with_the_reason(
    tmp_path: Path, rule: str, columns: dict[str, str], fault: str
) -> None:
    (made,) = events(mapping(tmp_path, f"{BASE}  {rule}\n"), "history", id="7", at="2026-01-01", **columns)
    assert made.fault is not None
    assert made.fault.startswith(fault)
    assert "C" not in made.fault.replace("column", "")  # the fault never repeats the value


def test_a_missing_id_is_a_fault_of_the_row(tmp_path: Path) -> None:
    (made,) = events(mapping(tmp_path, BASE), at="2026-01-01")
    assert made.fault == "external_id: is missing, and opportunity_opened needs it"


@pytest.mark.parametrize(
    ("rule", "cell", "moment"),
    [
        ("{column: at, zone: Europe/Amsterdam}", "2011-10-30T02:30:00+01:00", "2011-10-30T01:30:00Z"),
        ("{column: at, zone: Europe/Amsterdam}", "2011-10-01", "2011-09-30T22:00:00Z"),
        ("{column: at, date_format: '%d/%m/%Y %H:%M', zone: Asia/Tehran}", "21/03/2026 00:00", "2026-03-20T20:30:00Z"),
        ("{column: at, date_format: unix}", "1767225600", "2026-01-01T00:00:00Z"),
        ("{column: at, date_format: unix_ms}", "1767225600500", "2026-01-01T00:00:00.500000Z"),
        ("{column: at, date_format: ['%d.%m.%Y', iso], zone: UTC}", "2026-01-01", "2026-01-01T00:00:00Z"),
        ("at", "2026-01-01T09:00:00", "2026-01-01T09:00:00"),
    ],
)
def test_times_become_utc_and_one_without_any_zone_is_left_to_its_unit(
    tmp_path: Path, rule: str, cell: str, moment: str
) -> None:
    (made,) = events(mapping(tmp_path, BASE.replace("occurred_at: at", f"occurred_at: {rule}")), id="7", at=cell)
    assert made.document["occurred_at"] == moment


def test_leads_have_a_record_id_of_the_row_and_the_template(tmp_path: Path) -> None:
    rules = mapping(tmp_path, "[{email: mail}, {email: other_mail}]", "leads")
    first, second = events(rules, "leads", mail="a@b.example", other_mail="c@d.example")
    again, _ = events(rules, "leads", other_mail="c@d.example", mail="a@b.example")
    assert first.document["record_id"] == again.document["record_id"]
    assert first.document["record_id"] != second.document["record_id"]


def test_two_leads_of_one_row_are_two_records_also_where_a_column_names_the_row(tmp_path: Path) -> None:
    rules = mapping(tmp_path, "[{email: mail}, {email: other_mail}]", "leads")
    made = rules.events(
        {"mail": "a", "other_mail": "b", "key": "7"}, Shape("leads", record_column="key"), rules.columns
    )
    assert [each.document["record_id"] for each in made] == ["7", "7-1"]


@pytest.mark.parametrize(
    ("text", "problem", "fix"),
    [
        ("- event: wonn\n  external_id: id\n  occurred_at: at\n  stagge: s\n", "line 4: `stagge` is no field", "stage"),
        ("- event: {constant: wonn}\n  external_id: i\n  occurred_at: at\n", "line 1: 'wonn' is no event", "won?"),
        ("- event: won\n  occurred_at: at\n", "line 1: the template has no external_id", "external_id"),
        (BASE + "  product: {colum: p}\n", "line 5: `colum` is not known", "`column`"),
        (BASE + "  product: {values: {A: B}}\n", "line 5: `product` needs exactly one", "docs"),
        (BASE + "  product: {constant: A, default: B}\n", "so default has no meaning", "Leave it out"),
        (BASE + "  when: {s: {equal: A}}\n", "line 5: `equal` is not known", "`equals`"),
        (BASE + "  when: {s: {present: maybe}}\n", "neither true nor false", "true or false"),
        (BASE + "  expected_close: {column: p, zone: Mars}\n", "'Mars' is no time zone", "IANA"),
        (BASE + "  expected_close: {column: p, date_format: yyyy}\n", "'yyyy' is no date format", "%d.%m.%Y"),
        (BASE + "  expected_close: {column: p, date_format: 'jalali %m/%d'}\n", "is no date format", "jalali %Y/%m/%d"),
        (BASE + "  amount: {column: p, decimal: ';'}\n", "';' is no decimal sign", 'decimal: ","'),
        (BASE + "  expected_close: {constant: soon}\n", "is no ISO 8601 time", "2018-01-01"),
        (BASE + "  product: a\n  product: b\n", "line 6: `product` is there twice", "Leave one out"),
        ("events: []\n", "a list of event templates belongs here", "dash"),
        ("zone: UTC\n", "there are no `events`", "events:"),
        ("event: [", "is not YAML", ""),
        ("", "is empty", ""),
    ],
)
def test_a_mapping_file_with_a_fault_names_the_line_and_the_fix(
    tmp_path: Path, text: str, problem: str, fix: str
) -> None:
    with pytest.raises(Unreadable) as raised:
        mapping(tmp_path, text)
    assert problem in raised.value.detail
    assert fix in (raised.value.fix or "")


def test_a_column_that_the_file_does_not_have_is_found_before_the_first_row(tmp_path: Path) -> None:
    rules = mapping(tmp_path, BASE)
    with pytest.raises(Unreadable, match="reads column 'at'"):
        check_against(rules, tmp_path / "map.yaml", ["id", "date"])


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parents[2] / "mappings").glob("*.yaml")), ids=lambda file: file.stem
)
def test_the_mappings_of_the_integration_tests_can_be_read(file: Path) -> None:
    read_mapping(file, "history")


@pytest.mark.parametrize(("rule", "cell"), [("{column: p, decimal: ','}", "1.234,50 €"), ("p", "1234.50")])
def test_an_amount_is_read_as_it_is_meant(tmp_path: Path, rule: str, cell: str) -> None:
    (made,) = events(mapping(tmp_path, BASE + f"  amount: {rule}\n"), id="1", at="2026-01-01T00:00:00Z", p=cell)
    assert (made.document["amount"], made.fault) == ("1234.50", None)
