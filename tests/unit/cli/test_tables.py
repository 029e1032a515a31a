"""Files of spending and of rates from the command line: what is sent, and how lines that were not taken are named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from shared.cli.http import CommandFailed
from shared.cli.importing import tables
from shared.cli.importing.tables import DAYS, SPENT, Written, tell_rows, titles_of
from shared.tabular.source import SourceFile
from tests.unit.cli.fake_service import FakeService


def told(
    monkeypatch: pytest.MonkeyPatch, folder: Path, text: str, rejected: list[dict[str, object]], *column: str,
    decimal: str | None = None, date_formats: Sequence[str] = (), fixed: Sequence[str] = (), header_line: int = 1,
    add_up: bool = False, **more: object,
) -> FakeService:  # fmt: skip
    answer = {"rows": 2, "changed": 1, "rejected": rejected, "ignored_columns": ["clicks"], **more}
    service = FakeService((200, answer))
    monkeypatch.setattr(tables, "operator_client", service.client)
    file = folder / "spend.csv"
    file.write_text(text)
    with SourceFile(file, header_line=header_line) as source:
        titles = titles_of(column, fixed, Written(decimal, date_formats, SPENT, DAYS), source)
        tell_rows(source, "/v1/spending/import", called="spend.csv", titles=titles, add_up=add_up)
    return service


def test_rows_are_sent_each_on_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = told(monkeypatch, tmp_path, 'day;amount;campaign\n2026-01-01;5;"a\nb"\n\n2026-01-02;6;\n', [])
    (request,) = service.requests
    assert request.content.decode() == "day,amount,campaign\n2026-01-01,5,a b\n2026-01-02,6,\n"
    assert (request.url.path, request.headers["content-type"]) == ("/v1/spending/import", "text/csv")
    shown = capsys.readouterr().out
    assert "spend.csv: 2 rows read, 2 taken, 1 of them new or changed." in shown
    assert "Not read: the columns clicks." in shown


def test_days_that_count_twice_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"spend_id": "7c0f", "business_unit": "default", "kind": "advertising", "channel": None, "source": None}
    days = {"campaign": "spring", "currency": "EUR", "first_day": "2026-03-01", "last_day": "2026-03-04"}
    told(monkeypatch, tmp_path, "day,amount\n2026-03-01,5\n", [], overlapping=3, overlaps=[{**row, **days}])
    shown = capsys.readouterr().out
    assert "3 rows have days that another row of the same thing has too" in shown
    assert "default, advertising, spring, 2026-03-01 to 2026-03-04: 7c0f" in shown


def test_lines_that_were_not_taken_are_named_as_they_stand_in_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rejected: list[dict[str, object]] = [{"line": 3, "field": "amount", "problem": "It is none.", "fix": "Write one."}]
    text = 'day,amount\n\n2026-01-01,5\n2026-01-01\n\n2026-01-02,"x"\n'
    with pytest.raises(typer.Exit) as ended:
        told(monkeypatch, tmp_path, text, rejected)
    assert ended.value.exit_code == 3
    shown = capsys.readouterr().out
    assert "line 4, row: the line has 1 fields" in shown
    assert "line 6, amount: It is none. Write one." in shown
    assert "3 rows read, 1 taken" in shown
    assert "2 lines were not taken. Mend them and import the file again." in shown


def test_columns_that_are_called_otherwise_and_numbers_as_people_write_them_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "c_date;campaign_name;Cost (EUR)\n2026-01-01;a;1.234,50 €\n2026-01-02;b;-\n2026-01-03;c;7\n"
    with pytest.raises(typer.Exit):
        told(monkeypatch, tmp_path, text, [], "day=c_date", "campaign=campaign_name", "amount=Cost (EUR)", decimal=",")
    shown = capsys.readouterr().out
    assert "line 3, row: amount: is no number with ',' as its decimal sign." in shown


def test_what_is_sent_has_the_names_and_numbers_that_metrics_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service = told(
        monkeypatch, tmp_path, "c_date;Cost\n2026-01-01;1.234,50\n2026-01-02;\n", [], "day=c_date", decimal=","
    )
    assert service.requests[0].content.decode() == "day,Cost\n2026-01-01,1234.50\n2026-01-02,\n"


def test_an_export_of_an_ad_platform_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Above its columns it says what it is; of its channel it says nothing."""
    above = 'Campaign performance\n"February 13, 2024 - February 14, 2024"\n'
    text = f'{above}Day,Campaign,Clicks,Cost\n02/13/2024,a,"1,001","$1,234.50"\n14.02.2024,b,2,7\n'
    service = told(
        monkeypatch, tmp_path, text, [], "first_day=Day", decimal=".", date_formats=("%m/%d/%Y", "%d.%m.%Y"),
        header_line=3, fixed=("channel=paid_search",),
    )  # fmt: skip
    assert service.requests[0].content.decode() == (
        "first_day,Campaign,Clicks,Cost,channel\n"
        '2024-02-13,a,"1,001",1234.50,paid_search\n2024-02-14,b,2,7,paid_search\n'
    )


def test_what_computing_leaves_behind_an_amount_goes_and_a_rate_keeps_its_places(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service = told(monkeypatch, tmp_path, "day,Cost\n2026-01-01,5221.600000000001\n", [])
    assert service.requests[0].content.decode() == "day,Cost\n2026-01-01,5221.6\n"
    assert Written(",", (), ("rate",), DAYS).read("rate", "0,000002114") == "0.000002114"


def test_ads_of_one_campaign_and_day_are_added_up_where_it_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Date,campaign,ad,Spend\n2026-01-01,a,1,0.1\n2026-01-01,b,2,5\n2026-01-01,a,3,0.2\n2026-01-02,a,1,4\n2026-01-02,a,1,x\n"
    fault: dict[str, object] = {"field": "campaign", "problem": "There is none.", "fix": "Write one."}
    with pytest.raises(typer.Exit):
        told(monkeypatch, tmp_path, text, [{"line": 2, **fault}, {"line": 5, **fault}], add_up=True)
    shown = capsys.readouterr().out
    assert [f"line {line}, campaign: There is none." in shown for line in (2, 3, 4, 5, 6)] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert "5 rows read, 2 taken" in shown
    service = told(monkeypatch, tmp_path, text, [], add_up=True)
    assert service.requests[0].content.decode() == (
        "Date,campaign,ad,Spend\n2026-01-01,a,1,0.3\n2026-01-01,b,2,5\n2026-01-02,a,1,4\n2026-01-02,a,1,x\n"
    )


def test_an_amount_that_cannot_be_written_out_is_not_added_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "day,amount\n2026-01-01,1e9999999\n2026-01-01,1e9999999\n2026-01-01,2\n2026-01-01,3\n"
    service = told(monkeypatch, tmp_path, text, [], add_up=True)
    sent = service.requests[0].content.decode()
    assert sent == "day,amount\n2026-01-01,1e9999999\n2026-01-01,1e9999999\n2026-01-01,5\n"


def test_what_its_rows_come_to_is_named_as_no_day(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        told(monkeypatch, tmp_path, "day,amount\n02/13/2024,5\nTotal,5\n", [], date_formats=("%m/%d/%Y",))
    assert "line 3, row: day: does not fit the date_format %m/%d/%Y." in capsys.readouterr().out


def test_a_rows_own_word_goes_before_what_all_rows_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "day,channel,amount\n1402/12/10,,5\n1402/12/11,social,6\n"
    fixed = ("channel=paid_search", "currency=IRR")
    service = told(monkeypatch, tmp_path, text, [], date_formats=("jalali %Y/%m/%d",), fixed=fixed)
    assert service.requests[0].content.decode() == (
        "day,channel,amount,currency\n2024-02-29,paid_search,5,IRR\n2024-03-01,social,6,IRR\n"
    )


@pytest.mark.parametrize(
    ("column", "fixed", "written", "problem"),
    [
        (["amount"], [], {}, "names no column"),
        (["amount=Price"], [], {}, "The file has no column 'Price'"),
        (["amount=Cost", "amount=day"], [], {}, "--column amount is said twice"),
        ([], ["channel="], {}, "names no column"),
        ([], ["channel=a", "channel=b"], {}, "--set channel is said twice"),
        ([], [], {"decimal": ";"}, "is no decimal sign"),
        ([], [], {"date_formats": ["mm/dd/yyyy"]}, "is no date format"),
    ],
)
def test_what_names_nothing_is_refused(
    tmp_path: Path, column: list[str], fixed: list[str], written: dict[str, Any], problem: str
) -> None:
    file = tmp_path / "spend.csv"
    file.write_text("day,Cost\n2026-01-01,5\n")
    with SourceFile(file) as source, pytest.raises(CommandFailed, match=problem):
        titles_of(column, fixed, Written(**written), source)
