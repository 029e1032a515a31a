"""A document as one HTML file: no scripts, nothing fetched, for a screen, a phone and paper."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from html import escape
from importlib.resources import files

from services.metrics.reporting import svg
from services.metrics.reporting.document import Cell, Compared, Document, Line, Number, Series, Step, Table, Wanted
from services.metrics.reporting.wording import A_NAME, AGAIN

_SIGNS = {1: "▲", -1: "▼", 0: "■"}


@lru_cache(maxsize=1)
def _style() -> str:
    return files(__package__).joinpath("style.css").read_text(encoding="utf-8")


def page(document: Document, font_css: str = "") -> str:
    """The whole file."""
    told = document.headings
    parts = [
        f'<!doctype html><html lang="{document.language}" dir="{document.direction}"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">',
        f"<title>{A_NAME}{escape(document.title)}{AGAIN}: {escape(document.period)}</title>",
        f"<style>{font_css}{_style()}{_paper(document)}</style></head><body><main>",
        f'<header><p class="units">{escape(document.units)}</p><h1>{_name(document.title)}</h1>',
        f'<p class="period">{escape(document.period)}</p><p class="as-of">{escape(document.as_of)}</p></header>',
        _section("headlines", told["headlines"], _numbers(document)) if document.numbers else "",
        _section("funnel", told["funnel"], _funnel(document)) if document.funnel_note else "",
        _section("charts", told["charts"], _charts(document)) if document.charts else "",
        _section("ahead", told["ahead"], _table(document.ahead, document)) if document.ahead else "",
        _section("noticed", told["noticed"], _table(document.noticed, document)) if document.noticed else "",
        _section("cuts", told["cuts"], "".join(_table(one, document) for one in document.tables))
        if document.tables
        else "",
        _section("durations", told["durations"], _grid(document.durations, document)) if document.durations else "",
        _section("definitions", told["definitions"], _meanings(document)),
        f"<footer><ul>{''.join(f'<li>{escape(one)}</li>' for one in document.foot)}</ul><p>{escape(told['foot'])}</p></footer>",
        "</main></body></html>",
    ]
    return "".join(parts)


def _paper(document: Document) -> str:
    """The sheet, with the number of each below it in the figures of the language."""
    figures = ", persian" if document.language == "fa" else ""
    number = f'counter(page{figures}) " / " counter(pages{figures})'
    below = f"@bottom-center {{ content: {number}; font: 8px Rubik, sans-serif; color: #54606f; }}"
    return f"@page {{ size: A4; margin: 14mm 13mm 16mm; {below} }}"


def _section(name: str, heading: str, content: str) -> str:
    return f'<section class="s-{name}" aria-labelledby="h-{name}"><h2 id="h-{name}">{escape(heading)}</h2>{content}</section>'


def _name(text: str) -> str:
    """A name of the business, in whatever direction it is written."""
    return f"<bdi>{escape(text)}</bdi>"


def _numbers(document: Document) -> str:
    cards = "".join(_card(number, document) for number in document.numbers)
    rest = f'<p class="lead">{escape(document.silent)}</p>' if document.silent else ""
    return f'<div class="cards">{cards}</div>{rest}'


def _card(number: Number, document: Document) -> str:
    told, rtl = document.headings, document.direction == "rtl"
    drawn = svg.spark(number.spark, rtl=rtl) if number.spark is not None else ""
    parts = [
        f'<article class="card"><h3><a href="{escape(number.href)}">{escape(number.name)}</a></h3>',
        f'<div class="value"><p class="figure{" several" if len(number.texts) > 1 else ""}">{_texts(number.texts)}</p>{drawn}</div>',
    ]
    if number.compared:
        parts.append(f'<ul class="compared">{"".join(_compared(one, document) for one in number.compared)}</ul>')
    if number.wanted is not None:
        parts.append(_wanted(number.wanted, document))
    parts += [f'<p class="note">{escape(note)}</p>' for note in number.notes]
    if number.young:
        parts.append(f'<p class="young">{escape(number.young)}</p>')
    if number.counter is not None:
        other = number.counter
        moved = "".join(_change(one, document) for one in other.compared)
        parts.append(
            f'<p class="counter"><span>{escape(told["counter"])}</span> <a href="{escape(other.href)}">{escape(other.name)}</a>: '
            f"<b>{_texts(other.texts, ' · ')}</b> {moved}</p>"
        )
    return "".join([*parts, "</article>"])


def _wanted(one: Wanted, document: Document) -> str:
    told = document.headings
    judged = told["on_target"] if one.good else told["off_target"] if one.good is False else ""
    kind, sign = ("good", "✓") if one.good else ("bad", "!") if one.good is False else ("same", "·")
    drawn = svg.bar(one.share, rtl=document.direction == "rtl", strong=True) if one.share is not None else ""
    return (
        f'<div class="wanted"><p class="change {kind}"><span class="sign" aria-hidden="true">{sign}</span>'
        f'<a href="{escape(one.href)}">{escape(one.text)}</a><span class="spoken"> {escape(judged)}</span></p>{drawn}</div>'
    )


def _compared(one: Compared, document: Document) -> str:
    return f'<li>{_change(one, document)} <span class="then">{escape(one.label)}: {escape(one.value)}</span></li>'


def _change(one: Compared, document: Document) -> str:
    told = document.headings
    judged = (
        told["better"] if one.good else told["worse"] if one.good is False else told["changed"] if one.moved else ""
    )
    kind = "good" if one.good else "bad" if one.good is False else "same"
    sign = _SIGNS[(one.moved > 0) - (one.moved < 0)]
    spoken = f'<span class="spoken"> {escape(judged)}</span>' if judged else ""
    return f'<span class="change {kind}"><span class="sign" aria-hidden="true">{sign}</span>{escape(one.change)}{spoken}</span>'


def _texts(texts: Iterable[str], between: str = "<br>") -> str:
    return between.join(escape(text) for text in texts)


def _funnel(document: Document) -> str:
    rtl = document.direction == "rtl"
    note = f'<p class="lead">{escape(document.funnel_note)}</p>'
    if not document.funnel:
        return note
    return f'{note}<ol class="funnel">{"".join(_step(one, rtl=rtl) for one in document.funnel)}</ol>'


def _step(one: Step, *, rtl: bool) -> str:
    beside = " · ".join(escape(text) for text in (one.of_all, one.of_step) if text)
    young = f'<span class="young">{escape(one.young)}</span>' if one.young else ""
    return (
        f'<li><span class="step">{escape(one.name)}</span><span class="count">{escape(one.count)}</span>'
        f'{svg.bar(one.share, rtl=rtl, strong=True)}<span class="shares">{beside}</span>{young}</li>'
    )


def _charts(document: Document) -> str:
    return f'<div class="charts">{"".join(_chart(one, place, document) for place, one in enumerate(document.charts))}</div>'


def _chart(series: Series, place: int, document: Document) -> str:
    told, rtl = document.headings, document.direction == "rtl"
    rows = "".join(
        f'<tr><th scope="row">{escape(point.name)}{"" if point.over else " ({})".format(escape(told["not_over"]))}</th>'
        f'<td class="n">{escape(point.text)}</td></tr>'
        for point in series.points
    )
    unit = f' <span class="unit">{escape(series.unit)}</span>' if series.unit else ""
    return (
        f'<figure><figcaption><a href="{escape(series.href)}">{escape(series.name)}</a>{unit}</figcaption>'
        f"{svg.chart(series, f'c{place}', rtl=rtl)}"
        f'<details><summary>{escape(told["numbers"])}</summary><table><thead><tr><th scope="col">{escape(told["period_column"])}</th>'
        f'<th scope="col" class="n">{escape(told["value_column"])}</th></tr></thead><tbody>{rows}</tbody></table></details></figure>'
    )


def _table(table: Table, document: Document) -> str:
    title = f'<a href="{escape(table.href)}">{escape(table.title)}</a>' if table.href else escape(table.title)
    return f'<div class="cut"><h3>{title}</h3>{_grid(table, document)}</div>'


def _grid(table: Table, document: Document) -> str:
    rtl = document.direction == "rtl"
    head = "".join(f'<th scope="col" class="n">{escape(column)}</th>' for column in table.columns)
    body = "".join(_line(line, table, rtl=rtl) for line in table.lines)
    foot = f"<tfoot>{_line(table.total, table, rtl=rtl)}</tfoot>" if table.total is not None else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.title)}"><table><thead><tr><th scope="col">{escape(table.heading)}</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody>{foot}</table></div>"
    )


def _line(line: Line, table: Table, *, rtl: bool) -> str:
    label = escape(line.label) if line.is_word else _name(line.label)
    cells = "".join(
        _cell(cell, column, rtl=rtl, bars=table.bars and line is not table.total)
        for cell, column in zip(line.cells, table.columns, strict=True)
    )
    return f'<tr><th scope="row">{label}</th>{cells}</tr>'


def _cell(cell: Cell, column: str, *, rtl: bool, bars: bool) -> str:
    drawn = svg.bar(cell.share, rtl=rtl) if bars and cell.share is not None else ""
    note = f'<span class="note">{escape(cell.note)}</span>' if cell.note else ""
    return f'<td class="n" data-column="{escape(column)}">{_texts(cell.texts)}{drawn}{note}</td>'


def _meanings(document: Document) -> str:
    told = document.headings
    rows = "".join(
        f'<div class="meaning"><dt>{escape(one.name)} <code>{escape(one.kpi)}</code> <span class="version">{escape(one.version)}</span></dt>'
        f'<dd>{escape(one.meaning)}.</dd><dd class="trap"><b>{escape(told["trap_column"])}:</b> {escape(one.trap)}.</dd>'
        f'<dd class="check">{escape(told["check_column"])}: <a href="{escape(one.href)}">{escape(told["check"])}</a> · '
        f'<a href="{escape(one.leads_href)}">{escape(told["behind"])}</a></dd></div>'
        for one in document.meanings
    )
    return f'<dl class="meanings">{rows}</dl>'
