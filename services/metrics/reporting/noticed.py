"""What changed: findings that go on, as a table, the serious ones first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.findings import Kind as What
from services.metrics.domain.noticing import Severity, State
from services.metrics.reporting.document import Cell, Line, Table
from services.metrics.reporting.plan import Scope
from services.metrics.reporting.units import Kind, kind_of, shown
from services.metrics.reporting.wording import Wording
from services.metrics.storage.noticed import Noticed, known
from shared.kit.database import Database

MOST_LINES = 15
ORDER = (Severity.SERIOUS, Severity.NOTICE, Severity.GOOD)
STANDS = {State.OPEN: "noticed_open", State.ACKNOWLEDGED: "noticed_acknowledged"}
SAID = {"up": "noticed_up", "down": "noticed_down"}


async def going_on(database: Database, scope: Scope) -> list[Noticed]:
    """Findings that there are as of a report, without those that somebody dismissed, and those that only a newer version has words
    for."""
    found = await known(database, scope.as_of, units=scope.units)
    kept = [one for one in found if one.state in STANDS and _has_words(one)]
    return sorted(kept, key=lambda one: (ORDER.index(Severity(one.severity)), one.since, one.noticed_id))


def _has_words(one: Noticed) -> bool:
    return one.kind in set(What) and one.severity in ORDER and one.content["kpi"] in BY_ID


def table(
    words: Wording, found: Sequence[Noticed], scope: Scope, zone: ZoneInfo, link: Callable[[str], str]
) -> Table | None:
    """A line for each, with the numbers behind it; None where nothing changed."""
    if not found:
        return None
    lines = [_line(words, one, zone) for one in found[:MOST_LINES]]
    if len(found) > MOST_LINES:
        rest = words.text("others", n=words.number(len(found) - MOST_LINES))
        lines.append(Line(rest, True, tuple(Cell(("",)) for _ in range(5))))
    asked = [("as_of", scope.as_of.isoformat()), *(("business_unit", unit) for unit in scope.units)]
    return Table(
        title=words.text("noticed"),
        heading=words.text("number_column"),
        columns=(
            words.text("noticed_where"), words.text("noticed_before"), words.text("noticed_after"),
            words.text("noticed_since"), words.text("noticed_state"),
        ),
        lines=tuple(lines),
        href=link(f"/v1/findings/noticed?{urlencode(asked)}"),
    )  # fmt: skip


def _line(words: Wording, one: Noticed, zone: ZoneInfo) -> Line:
    told = one.content
    kpi, what = told["kpi"], What(told["kind"])
    where = [*([told["business_unit"]] if told["business_unit"] else []), *told["cut"].values()]
    kind = Kind.COUNT if what is What.LEVEL else kind_of(kpi, BY_ID[kpi].unit)
    since = words.day(one.since.astimezone(zone).date())
    name = words.text("noticed_pace", name=words.kpi(kpi)) if what is What.PACE else words.text(
        SAID[told["direction"]], name=words.kpi(kpi)
    )  # fmt: skip
    return Line(
        name,
        True,
        (
            Cell((words.listed(map(words.name, where)) if where else words.text("all_units"),)),
            _side(words, kind, told["before"], told.get("currency")),
            _side(words, kind, told["after"], told.get("currency")),
            Cell((since,)),
            Cell((words.text(STANDS[one.state]),), note=None if one.word is None else words.name(one.word.by)),
        ),
    )


def _side(words: Wording, kind: Kind, side: Mapping[str, Any], currency: str | None) -> Cell:
    return Cell(
        (shown(words, kind, side["value"], currency),), note=f"{words.text('cases')}: {words.number(side['n'])}"
    )
