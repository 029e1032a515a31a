"""What is asked of metrics: every KPI there is, over several windows, with every single cut; and beside that what is measured and
promised to nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import httpx

from services.metrics.asking import ask
from services.metrics.domain.attributing import takes_attribution
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.forms import Accuracy, Attainment, Best, Coverage, Pace, PerVisitor, Visitors
from services.metrics.domain.questions import SUMMED, UNIT
from services.metrics.domain.touches import Attribution
from services.metrics.storage.judging import wanted_of
from services.metrics.storage.sketched import is_sketched
from shared.contracts.policy import Policy
from shared.kit.errors import Rejected
from tests.load.arithmetic import percentile
from tests.load.traffic import bearer
from tests.support.services import API_TOKEN

MONEY = ("currency", "currency per day")
REPEATS, LONG_SECONDS = 1, 1.0
"""So often after the first time; not again what takes that long."""

Parameters = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. `promised` are those of any period with up to one cut, which are to be quick at any size."""

    group: str
    kpi: str
    parameters: Parameters
    promised: bool

    def __str__(self) -> str:
        return f"{self.kpi}?{'&'.join(f'{name}={value}' for name, value in self.parameters)}"


def answered_from(kpi: str) -> str:
    """What a number is answered from, in a word."""
    form = BY_ID[kpi].form
    if isinstance(form, Visitors | PerVisitor):
        return "visitors"
    if isinstance(form, Attainment | Pace | Coverage | Accuracy):
        return "targets and what was frozen"
    if isinstance(form, SUMMED) and not isinstance(form, Best):
        return "sums"
    return "sketches" if is_sketched(form) else "others"


def windows(today: date, *, quick: bool) -> list[Parameters]:
    """The last ninety days; a month, a year and all time."""
    begin, month = today - timedelta(days=90), (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    year = today - timedelta(days=365)
    found: list[Parameters] = [(("from", f"{begin}"), ("to", f"{today}"))]
    if not quick:
        found += [
            (("from", f"{month}"), ("to", f"{today.replace(day=1)}")),
            (("from", f"{year}"), ("to", f"{today}")),
            (),
        ]
    return found


def _cuts() -> Iterator[Parameters]:
    yield ()
    for name in (UNIT, *DIMENSIONS, "day", "week", "month", "quarter"):
        yield (("group_by", name),)
    yield (("group_by", "month"), ("calendar", "jalali"))
    yield (("group_by", "day"), ("calendar", "jalali"))
    yield (("channel", "web_form"),)
    yield (("compare", "previous"), ("group_by", "channel"))


def _everything(today: date, *, quick: bool) -> Iterator[Asked]:
    ninety = windows(today, quick=True)[0]
    for kpi, definition in BY_ID.items():
        form = definition.form
        aims = ("sales_volume", "leads_created") if isinstance(form, Attainment | Pace) else ("",)
        for of in aims:
            named = (("of", of),) if of else ()
            for window in windows(today, quick=quick):
                for cut in _cuts():
                    yield Asked(answered_from(kpi), kpi, (*window, *cut, *named), promised=True)
        if takes_attribution(definition):
            for rule in Attribution:
                if rule is not Attribution.FIRST:
                    cut = (("group_by", "channel"), ("attribution", rule))
                    yield Asked("another attribution", kpi, (*ninety, *cut), promised=False)
        if definition.unit in MONEY or definition.id.startswith("source_ro"):
            for rates in ("event", "as_of"):
                cut = (("group_by", "channel"), ("currency", "USD"), ("rates", rates))
                yield Asked(f"in one currency, rates of {rates}", kpi, (*ninety, *cut), promised=False)
        for days in (1, 7, 90):
            cut = (("group_by", "channel"), ("as_of", f"{today - timedelta(days=days)}"))
            yield Asked(f"as of {days} days ago", kpi, (*ninety, *cut), promised=False)
        yield Asked("several cuts", kpi, (*ninety, ("group_by", "channel,source,month")), promised=False)
        clock = (("from", f"{today - timedelta(days=90)}T09:00:00"), ("to", f"{today}T09:00:00"))
        yield Asked("by the clock", kpi, clock, promised=False)


def questions(policy: Policy, *, quick: bool) -> list[Asked]:
    """All that makes sense."""
    now = datetime.now(UTC)
    return [one for one in _everything(now.date(), quick=quick) if _makes_sense(one, policy, now)]


def _makes_sense(one: Asked, policy: Policy, now: datetime) -> bool:
    try:
        question, _ = ask(one.kpi, one.parameters, policy, now)
        if isinstance(question.definition.form, Accuracy):
            return wanted_of(question) is not None
    except Rejected:
        return False
    return True


@dataclass(slots=True)
class Took:
    """Milliseconds of each answer by question, and what was not answered."""

    times: dict[Asked, list[float]] = field(default_factory=dict)
    refused: dict[Asked, str] = field(default_factory=dict)

    def share(self, share: float, *, group: str | None = None) -> float:
        """A percentile over all answers of a group, or of all that is promised."""
        of = [one for one in self.times if (one.promised if group is None else one.group == group)]
        return percentile([ms for one in of for ms in self.times[one]], share)

    def slowest(self, most: int, *, promised: bool = True) -> list[tuple[float, Asked]]:
        """The slowest questions, of those that are promised or of the others."""
        known = [(min(ms), one) for one, ms in self.times.items() if one.promised is promised]
        return sorted(known, key=lambda one: -one[0])[:most]

    @property
    def groups(self) -> Sequence[str]:
        """In the order in which they were asked, those that are promised first."""
        return list(dict.fromkeys(one.group for one in sorted(self.times, key=lambda one: not one.promised)))


def answers(url: str, asked: Sequence[Asked]) -> Took:
    """Asks all of it, one after the other. How fast something is refused is no result."""
    took = Took()
    with httpx.Client(headers=bearer(API_TOKEN), timeout=120, trust_env=False) as client:
        for one in asked:
            found: list[float] = []
            while len(found) <= REPEATS and (not found or found[-1] < LONG_SECONDS * 1e3):
                started = time.perf_counter()
                answer = client.get(f"{url}/v1/kpis/{one.kpi}", params=list(one.parameters))
                found.append((time.perf_counter() - started) * 1e3)
                if answer.status_code != 200:
                    took.refused[one] = f"{answer.status_code} after {found[-1]:,.0f} ms: {answer.text[:200]}"
                    break
            if one not in took.refused:
                took.times[one] = (
                    found[1:] or found
                )  # the first one warms up; where it takes that long, it is the answer
    return took
