"""Workbooks written by hand: the few parts of the format that a reader needs."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape

_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/styles.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>{sheets}</Types>'
)
_SHEET_TYPE = (
    '<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
)
_RELATIONS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{all}</Relationships>'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
# Format 22 is a date with a time.
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts><fills count="1"><fill/></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>'
)

Cell = str | int | float | bool | datetime | None


def write_workbook(path: Path, *sheets: tuple[str, Iterable[Sequence[Cell]]]) -> Path:
    """A workbook with these sheets, each a name and its rows; an empty row is one without cells."""
    numbered = [(number, name, rows) for number, (name, rows) in enumerate(sheets, start=1)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        types = "".join(_SHEET_TYPE.format(number=number) for number, *_ in numbered)
        archive.writestr("[Content_Types].xml", _TYPES.format(sheets=types))
        archive.writestr(
            "_rels/.rels",
            _RELATIONS.format(all=f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'),
        )
        listed = "".join(f'<sheet name="{escape(name)}" sheetId="{n}" r:id="r{n}"/>' for n, name, _ in numbered)
        archive.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>'
        )
        parts = "".join(
            f'<Relationship Id="r{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n, *_ in numbered
        )
        parts += f'<Relationship Id="s1" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        archive.writestr("xl/_rels/workbook.xml.rels", _RELATIONS.format(all=parts))
        archive.writestr("xl/styles.xml", _STYLES)
        for number, _, rows in numbered:
            with archive.open(f"xl/worksheets/sheet{number}.xml", "w") as part:
                part.write(f'<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
                for place, row in enumerate(rows, start=1):
                    cells = "".join(_cell(_reference(column, place), value) for column, value in enumerate(row))
                    if cells:
                        part.write(f'<row r="{place}">{cells}</row>'.encode())
                part.write(b"</sheetData></worksheet>")
    return path


def _reference(column: int, row: int) -> str:
    name = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        name = chr(65 + letter) + name
    return f"{name}{row}"


def _cell(reference: str, value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{reference}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, datetime):
        days = (value - datetime(1899, 12, 30)).total_seconds() / 86_400  # noqa: DTZ001 - a sheet has no zones
        return f'<c r="{reference}" s="1"><v>{days!r}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{reference}"><v>{value!r}</v></c>'
    return f'<c r="{reference}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
