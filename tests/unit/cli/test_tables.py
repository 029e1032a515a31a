"""Files of spending and of rates from the command line: what is sent, and how lines that were not taken are named."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from shared.cli.importing import tables
from shared.cli.importing.tables import tell_rows
from shared.tabular.source import SourceFile
from tests.unit.cli.fake_service import FakeService


def told(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str, rejected: list[dict[str, object]]) -> FakeService:
    service = FakeService((200, {"rows": 2, "changed": 1, "rejected": rejected, "ignored_columns": ["clicks"]}))
    monkeypatch.setattr(tables, "operator_client", service.client)
    file = folder / "spend.csv"
    file.write_text(text)
    with SourceFile(file) as source:
        tell_rows(source, "/v1/spending/import", called="spend.csv")
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
