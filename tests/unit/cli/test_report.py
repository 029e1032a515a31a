"""A report at a terminal: everything that metrics tells of it, in any language."""

from __future__ import annotations

from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from services.metrics.reporting.document import (
    Cell,
    Compared,
    Document,
    Line,
    Number,
    Point,
    Series,
    Step,
    Table,
    Wanted,
)
from services.metrics.reporting.telling import HEADINGS
from services.metrics.reporting.wording import Wording
from shared.cli import report
from shared.cli.http import CommandFailed
from shared.cli.report import Format, print_document, told
from tests.unit.cli.fake_service import FakeService


def document(words: Wording) -> dict[str, Any]:
    counter = Number("win_rate_count", words.kpi("win_rate_count"), (words.share(0.5),), 0.5, "ratio", "")
    sales = Number(
        "sales_volume", words.kpi("sales_volume"), (words.money(1200, "EUR"), words.money(9, "USD")), None, "currency", "",
        compared=(Compared("previous", "[May]", words.money(600, "EUR"), "+100%", 1.0, True),),
        notes=("2 without an amount",), wanted=Wanted("Target 2,000 EUR: 60% of it", 0.6, False, ""), counter=counter,
    )  # fmt: skip
    table = Table("By owner", "owner", ("Sales",), (Line("[red]kim", False, (Cell(("1",), 1.0, "95% interval"),)),))
    series = Series(
        "leads_created", "Leads", True, (Point("May", "May", 3, "3"), Point("June", "Jun", None, "–")), (), ""
    )
    return asdict(
        Document(
            report="monthly", title="Monthly", period="June", period_key="2026-06", language=words.language,
            direction=words.known.direction, units="all", as_of="now", numbers=(sales,), silent="Nothing is known of: CAC.",
            funnel=(Step("Leads", "10", 1.0, "all", ""),), funnel_note="", charts=(series,), durations=None, tables=(table,),
            ahead=None,
            noticed=Table("What changed", "number", ("Stands",), (Line("Leads created: down", True, (Cell(("known",), None, "kim"),)),)),
            meanings=(), foot=("Policy 1",), headings={key: words.text(key) for key in HEADINGS},
        )
    )  # fmt: skip


def printed(content: dict[str, Any]) -> str:
    console = Console(file=StringIO(), width=160)
    print_document(console, content)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_everything_is_printed_and_names_are_no_markup() -> None:
    said = printed(document(Wording("en", "gregorian")))
    for expected in (
        "1,200 EUR", "+100% (better)", "[May]: 600 EUR", "Target 2,000 EUR", "Win rate: 50.0%", "[red]kim", "95% interval",
        "Nothing is known of: CAC.", "June", "Policy 1", "From lead to customer", "Leads created: down", "kim",
    ):  # fmt: skip
        assert expected in said, expected


def test_other_languages_are_printed_as_they_are() -> None:
    said = printed(document(Wording("fa", "jalali")))
    assert "۱٬۲۰۰ یورو" in said
    assert "نرخ برد" in said


@pytest.mark.parametrize("form", [Format.TABLE, Format.JSON])
def test_a_file_that_cannot_be_written_is_said_with_what_to_do(
    form: Format, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def asked(*_: Any) -> Any:
        return document(Wording("en", "gregorian")) if form is Format.TABLE else (b"{}", None)

    monkeypatch.setattr(report, "_document" if form is Format.TABLE else "_written", asked)
    with pytest.raises(typer.Exit):
        report.report("monthly", format=form, output=tmp_path / "no" / "such.txt")
    assert "cannot be written" in capsys.readouterr().err


async def test_something_that_tells_no_report_is_named() -> None:
    service = FakeService((200, {"hello": "world"}))
    with pytest.raises(CommandFailed, match="told no report"):
        await told(service.client("metrics"), "monthly", period="2026-06")
    assert dict(service.requests[0].url.params) == {"period": "2026-06", "format": "json"}
