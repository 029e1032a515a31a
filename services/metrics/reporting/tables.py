"""Answers side by side: numbers by a cut, and how long things take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.metrics.reporting.document import Cell, Line, Table
from services.metrics.reporting.units import Kind, kind_of, shown, values_shown
from services.metrics.reporting.wording import Wording
from shared.contracts.policy.calendar import PERIODS
from shared.contracts.policy.reports import Cut

MOST_LINES = 15

Answer = Mapping[str, Any]


def of_cut(words: Wording, cut: Cut, answers: Sequence[Answer | None]) -> Table | None:
    """A line for each value of the cut, those with most of the first number first; None where nothing was counted."""
    told = [answer for answer in answers if answer is not None]
    if not told or not any(answer["groups"] for answer in told):
        return None
    groups = [{group["key"][cut.by]: group for group in answer["groups"]} for answer in told]
    weight = {name: (groups[0].get(name) or {}).get("n") or 0 for each in groups for name in each}
    in_order = sorted(weight, key=lambda name: (name is None, -weight[name], name or ""))
    if cut.by in PERIODS:
        in_order = sorted(weight, key=lambda name: name or "")
    shown_names = in_order[:MOST_LINES]
    kinds = [kind_of(answer["kpi"], answer["unit"]) for answer in told]
    highest = [_highest(each) for each in groups]
    lines = [
        Line(
            label=_label(words, cut.by, name),
            is_word=name is None or cut.by in PERIODS,
            cells=tuple(
                _cell(words, kind, each.get(name), top) for kind, each, top in zip(kinds, groups, highest, strict=True)
            ),
        )
        for name in shown_names
    ]
    if len(in_order) > MOST_LINES:
        rest = words.text("others", n=words.number(len(in_order) - MOST_LINES))
        lines.append(Line(rest, True, tuple(Cell(("",)) for _ in told)))
    total = tuple(_cell(words, kind, answer["total"], None) for kind, answer in zip(kinds, told, strict=True))
    dimension = words.word(cut.by)
    names = tuple(words.kpi(answer["kpi"]) for answer in told)
    return Table(
        title=names[0] if len(names) == 1 else words.text("by", dimension=dimension),
        heading=dimension,
        columns=names,
        lines=tuple(lines),
        total=Line(words.text("total"), True, total),
        bars=True,
        by=cut.by,
    )


def durations(words: Wording, answers: Sequence[Answer]) -> Table | None:
    """How long things take: the half of them, on average, nearly all of them, and of how many that is known."""
    if not answers:
        return None
    lines = []
    for answer in answers:
        kind, total = kind_of(answer["kpi"], answer["unit"]), answer["total"]
        times = (total.get("value"), total.get("mean"), (total.get("quantiles") or {}).get("p90"))
        cells = (*(Cell((shown(words, kind, one),)) for one in times), Cell((words.number(total.get("n") or 0),)))
        lines.append(Line(words.kpi(answer["kpi"]), True, cells))
    columns = tuple(words.text(key) for key in ("median", "mean", "ninetieth", "cases"))
    return Table(words.text("durations"), words.text("number_column"), columns, tuple(lines))


def _label(words: Wording, by: str, name: str | None) -> str:
    if name is None:
        return words.text("unknown")
    return words.period(name) if by in PERIODS else name


def _highest(groups: Mapping[Any, Answer]) -> float | None:
    """What the longest bar of a column stands for; none where values are of several currencies, or below nothing."""
    values = [group.get("value") for group in groups.values()]
    if any(group.get("by_currency") for group in groups.values()) or any(
        value is not None and value < 0 for value in values
    ):
        return None
    if len({group.get("currency") for group in groups.values()} - {None}) > 1:
        return None
    return max((value for value in values if value is not None), default=None)


def _cell(words: Wording, kind: Kind, values: Answer | None, highest: float | None) -> Cell:
    value = (values or {}).get("value")
    note = None
    if interval := (values or {}).get("interval"):
        low, high = (shown(words, kind, interval[side]) for side in ("low", "high"))
        note = words.text("interval", level=words.share(interval["level"], 0), low=low, high=high)
    share = value / highest if highest and value is not None else None
    return Cell(values_shown(words, kind, values), share, note)
