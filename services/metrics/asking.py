"""What is asked over HTTP as a question, and its answer as a document: for the KPI API, and for reports, which ask the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, TypeGuard

from services.metrics.domain.answers import Values, answer_groups, in_one
from services.metrics.domain.attributing import takes_attribution
from services.metrics.domain.calendars import COMPARISONS, Calendars, calendars_of, compared
from services.metrics.domain.customer_answers import DAYS_A_MONTH
from services.metrics.domain.definitions import BY_ID, DEFINITIONS
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.forms import (
    Attainment,
    Churn,
    Cost,
    Definition,
    Pace,
    PerVisitor,
    Return,
    Visitors,
    Weighted,
    Worth,
)
from services.metrics.domain.questions import CUTS, UNIT, Bound, Question
from services.metrics.domain.spending import CUTS as SPENDING_CUTS
from services.metrics.domain.touches import HALF_LIFE_DAYS, Attribution
from services.metrics.domain.visiting import CUTS as VISITOR_CUTS
from services.metrics.storage import numbers
from services.metrics.storage.answering import Progress
from services.metrics.storage.attaining import Attaining
from services.metrics.storage.cutting import named_days
from services.metrics.target_questions import aimed_at
from shared.contracts.envelope import EARLIEST, LATEST
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import PERIODS, SYSTEMS
from shared.kit.database import Database
from shared.kit.errors import Rejected

ONCE = (
    "from", "to", "as_of", "horizon_days", "compare", "calendar", "of", "top", "attribution", "half_life_days", "currency", "rates",
)  # fmt: skip
PARAMETERS = (*ONCE, "group_by", UNIT, *DIMENSIONS)
TOP, MOST_TOP = 10, 100
MOST_DAYS = 100_000
"""So many days of a calendar that PostgreSQL does not know can be told apart: more than two centuries of them."""


async def answered(
    database: Database, policy: Policy, progress: Progress, question: Question, before: Question | None
) -> dict[str, Any]:
    """The whole answer to a question, with that of the window it is compared with."""

    async def values(question: Question) -> tuple[Values, list[Values]]:
        if question.of is not None:
            return answer_groups(question, await Attaining(database, policy, progress).values_of(question))
        found = await numbers.values_of(database, policy, progress, question)
        return answer_groups(question, {group: in_one(each, question.currency) for group, each in found.items()})

    total, groups = await values(question)
    beside: dict[str, Any] = {}
    if question.currency is not None:
        beside.update(currency=question.currency, rates="as_of" if question.restated else "event")
    if before is not None:
        beside["comparison"] = comparison(before, total, *(await values(before)))
    definition = question.definition
    return {
        "kpi": definition.id,
        "version": definition.version,
        "unit": definition.unit,
        "basis": definition.basis,
        "from": question.start,
        "to": question.end,
        "group_by": question.group_by,
        "as_of": question.as_of,
        "folded_to": progress.folded_to,
        **({"of": question.of.id} if question.of is not None else {}),
        **({"attribution": question.attribution} if takes_attribution(definition) else {}),
        "definition": {name: getattr(definition, name) for name in ("formula", "trap", "counter_kpi")},
        "total": total,
        "groups": groups,
        **beside,
    }


def describe(definition: Definition) -> dict[str, Any]:
    """A definition for whoever asks what a number means, with what may be said beside its name."""
    names = ("id", "version", "unit", "basis", "formula", "trap", "counter_kpi")
    takes = {"takes": ["of"]} if isinstance(definition.form, Attainment | Pace) else {}
    return {**{name: getattr(definition, name) for name in names}, **takes}


def comparison(before: Question, total: Values, total_before: Values, groups_before: list[Values]) -> dict[str, Any]:
    """What was asked of the window that one is compared with, and how far the total moved from there: `absolute` in the
    KPI's own unit (points for a ratio), `relative` to what it was."""
    now, then = total.get("value"), total_before.get("value")
    change = None
    if now is not None and then is not None and total.get("currency") == total_before.get("currency"):
        change = {"absolute": now - then, "relative": (now - then) / then if then else None}
    return {
        "from": before.start,
        "to": before.end,
        "total": total_before,
        "groups": groups_before,
        "change": change,
    }


def ask(
    kpi: str, parameters: Sequence[tuple[str, str]], policy: Policy, now: datetime
) -> tuple[Question, Question | None]:
    """A request as a question, and the question that it is to be compared with, where it is. Raises `Rejected` naming what
    there is instead."""
    definition = BY_ID.get(kpi)
    if definition is None:
        raise Rejected(
            "There is no KPI of this name.", status=404, code="unknown-kpi", field="kpi",
            fix="GET /v1/kpis lists them with their definitions.", extra={"kpis": list(BY_ID)},
        )  # fmt: skip
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        if name not in PARAMETERS:
            raise Rejected(
                "There is no parameter of this name.", code="unknown-parameter", field=name[:100],
                fix=f"Use {', '.join(PARAMETERS)}.", extra={"parameters": list(PARAMETERS)},
            )  # fmt: skip
        given.setdefault(name, []).append(value)
    for name in ONCE:
        if len(given.get(name, ())) > 1:
            raise Rejected("It is given twice.", code="invalid-parameter", field=name, fix="Give it once.")
    filters: dict[str, tuple[str | None, ...]] = {
        name: tuple(value or None for value in given[name]) for name in (UNIT, *DIMENSIONS) if name in given
    }
    unit = only_unit(filters.get(UNIT, ()))
    start, end = (_bound(name, given[name][0]) if given.get(name, [""])[0] else None for name in ("from", "to"))
    _in_order(start, end)
    cuts = _cuts(given.get("group_by", []))
    if isinstance(definition.form, Cost | Return | Worth):
        _known_of(cuts, filters, SPENDING_CUTS, "What was spent is")
        _whole_days("What was spent is known by the day.", start, end)
    if isinstance(definition.form, Churn):
        _whole_days("Who was a customer is counted by the day.", start, end)
    if isinstance(definition.form, Visitors | PerVisitor):
        _known_of(cuts, filters, VISITOR_CUTS, "Visitors are")
        _whole_days("Visitors are known by the day.", start, end)
    own = policy.unit(unit or "")
    horizon, top = given.get("horizon_days", [""])[0], given.get("top", [""])[0]
    question = Question(
        definition,
        as_of=moment("as_of", given["as_of"][0]) if given.get("as_of", [""])[0] else now,
        horizon_days=_whole("horizon_days", horizon, 3650, "days") if horizon else own.horizon_days,
        start=start,
        end=end,
        group_by=cuts,
        filters=filters,
        calendars=_calendars(policy, filters.get(UNIT, ()), given.get("calendar", [""])[0]),
        attribution=_attribution(definition, given.get("attribution", [""])[0]),
        stale_days=own.hygiene.stale_days,
        half_life_days=_half_life(given.get("half_life_days", [""])[0]),
        of=aimed_at(definition, given.get("of", [""])[0], start, end, cuts),
        lifetime_months=int(horizon) / DAYS_A_MONTH if horizon else own.customers.lifetime_months,
        top=_whole("top", top, MOST_TOP, "customers") if top else TOP,
        currency=_currency_named(given.get("currency", [""])[0], definition),
        restated=_restated(given.get("rates", [""])[0], given.get("currency", [""])[0]),
    )
    if named_days(question) > MOST_DAYS:
        raise Rejected(
            "It is about too many days to tell each of them apart.", code="invalid-parameter", field="group_by",
            fix=f"Group by month, or ask about no more than {MOST_DAYS:,} days with `from` and `to`.",
        )  # fmt: skip
    how = given.get("compare", [""])[0]
    return question, _question_before(question, how) if how else None


def _calendars(policy: Policy, units: Sequence[str | None], system: str) -> Calendars:
    """The calendar of each unit, or one for all where a calendar is named: theirs where it is that one, else a plain one."""
    own = calendars_of(policy, units)
    if not system:
        return own
    named = next((one for one in SYSTEMS if one == system), None)
    if named is None:
        raise Rejected(
            "There is no calendar of this name.",
            code="invalid-parameter",
            field="calendar",
            fix=f"Use {' or '.join(SYSTEMS)}.",
        )
    return Calendars(own.default.in_system(named))


def _question_before(question: Question, how: str) -> Question:
    """The same of the window that this one is compared with."""
    named = next((one for one in COMPARISONS if one == how), None)
    if named is None:
        raise Rejected(
            "There is no comparison of this name.", code="invalid-parameter", field="compare",
            fix=f"Use {' or '.join(COMPARISONS)}.",
        )  # fmt: skip
    calendar = question.calendars.only
    if calendar is None:
        raise Rejected(
            "These business units have different calendars.", code="invalid-parameter", field="compare",
            fix="Ask for one with ?business_unit=, or name one with ?calendar=.",
        )  # fmt: skip
    if question.definition.basis == "snapshot":
        raise Rejected(
            "A snapshot has no window to compare.", code="invalid-parameter", field="compare",
            fix="Ask again with another as_of.",
        )  # fmt: skip
    start, end = question.start, question.end
    if not _is_day(start) or not _is_day(end):
        raise Rejected(
            "Only a window of days can be compared.", code="invalid-parameter", field="compare",
            fix="Give `from` and `to` as dates.",
        )  # fmt: skip
    try:
        start, end = compared(calendar, start, end, named)
    except (OverflowError, ValueError):
        raise Rejected(
            "There is no such window before this one.", code="invalid-parameter", field="compare",
            fix="Give a later `from`, or a shorter window.",
        ) from None  # fmt: skip
    return replace(question, start=start, end=end)


def _is_day(bound: Bound) -> TypeGuard[date]:
    return isinstance(bound, date) and not isinstance(bound, datetime)


def _whole_days(why: str, *bounds: Bound) -> None:
    """Refuses a window by the clock."""
    if any(isinstance(bound, datetime) for bound in bounds):
        raise Rejected(why, code="invalid-parameter", field="from", fix="Give `from` and `to` as dates.")


def _known_of(cuts: Sequence[str], filters: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    """Refuses a cut that would part leads and not what they are held against."""
    for field, names in (("group_by", cuts), *((name, [name]) for name in filters)):
        if unknown := [name for name in names if name in DIMENSIONS and name not in known]:
            raise Rejected(
                f"{what} not known by {unknown[0]}.", code="unknown-cut", field=field,
                fix=f"Use {', '.join(known)} or a period.",
            )  # fmt: skip


def only_unit(units: Sequence[str | None]) -> str | None:
    """The business unit asked about, where there is one."""
    return units[0] if len(units) == 1 else None


def _cuts(given: Sequence[str]) -> tuple[str, ...]:
    cuts = tuple(dict.fromkeys(cut.strip() for one in given for cut in one.split(",") if cut.strip()))
    unknown = [cut for cut in cuts if cut not in CUTS and cut != "period"]
    if unknown:
        raise Rejected(
            "It names a cut that does not exist.", code="unknown-cut", field="group_by",
            fix=f"Use {', '.join(CUTS)}, several by comma.", extra={"group_by": list(CUTS)},
        )  # fmt: skip
    if "period" in cuts:
        raise Rejected(
            "It has to say which period.", code="unknown-cut", field="group_by", fix=f"Use {', '.join(PERIODS)}."
        )
    return cuts


def _bound(name: str, value: str) -> date | datetime:
    """A date or a timestamp. Nothing happens before 1900 or after 8999, and arithmetic with days has an end soon after."""
    try:
        bound = date.fromisoformat(value) if len(value) <= 10 else _aware(value)
    except ValueError:
        raise Rejected(
            "It is neither a date nor a timestamp.", code="invalid-parameter", field=name,
            fix="Write 2026-03-01, or 2026-03-01T09:00:00+01:00 (a + in a URL is %2B).",
        ) from None  # fmt: skip
    if not is_in_time(bound if isinstance(bound, datetime) else midnight_utc(bound)):
        raise Rejected(
            "Nothing happens then.", code="invalid-parameter", field=name,
            fix=f"Give a day from {EARLIEST.date()} on and before {LATEST.date()}, or leave it out.",
        )  # fmt: skip
    return bound


def moment(name: str, value: str) -> datetime:
    """A moment as it is written; a date is midnight UTC. Raises `Rejected`."""
    bound = _bound(name, value)
    return bound if isinstance(bound, datetime) else midnight_utc(bound)


def midnight_utc(day: date) -> datetime:
    """When a day begins in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def is_in_time(at: datetime) -> bool:
    """Whether a moment is known to the end and among those that there are facts of."""
    return at.tzinfo is not None and EARLIEST <= at < LATEST


def _aware(value: str) -> datetime:
    """A timestamp; without a zone it is UTC. A space stands for the plus that a URL turned into one."""
    at = datetime.fromisoformat(value.replace(" ", "+") if "T" in value else value)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _currency_named(text: str, definition: Definition) -> str | None:
    """The currency that an answer is wanted in, or None."""
    if text and isinstance(definition.form, Weighted | Attainment | Pace):
        raise Rejected(
            "This number is told in the currencies that it is kept in.", code="invalid-parameter", field="currency",
            fix="Leave currency out.",
        )  # fmt: skip
    if text and (len(text) != 3 or not text.isascii() or not text.isalpha() or not text.isupper()):
        raise Rejected("It is no currency.", code="invalid-parameter", field="currency", fix="Write it as EUR.")
    return text or None


def _restated(rates: str, currency: str) -> bool:
    if rates not in ("", "event", "as_of"):
        raise Rejected(
            "There are no such rates.", code="invalid-parameter", field="rates",
            fix="Use event, the rate of each amount's own day, or as_of, the rate of that day for all.",
        )  # fmt: skip
    if rates and not currency:
        raise Rejected(
            "It has to say into what.", code="invalid-parameter", field="currency", fix="Write currency=EUR."
        )
    return rates == "as_of"


def _whole(name: str, value: str, most: int, of: str) -> int:
    if len(value) > 6 or not value.isascii() or not value.isdigit() or not 1 <= int(value) <= most:
        raise Rejected(f"It is no number of {of}.", code="invalid-parameter", field=name, fix=f"Write 1 to {most}.")
    return int(value)


def _attribution(definition: Definition, value: str) -> Attribution:
    """By which touches it is cut. Raises `Rejected` for a rule that nobody knows, and for a number that is no sum of such things."""
    named = next((one for one in Attribution if one == value), None)
    if value and named is None:
        raise Rejected(
            "There is no attribution of this name.", code="invalid-parameter", field="attribution",
            fix=f"Use {', '.join(Attribution)}.",
        )  # fmt: skip
    if named not in (None, Attribution.FIRST) and not takes_attribution(definition):
        raise Rejected(
            "This number is cut by first touch alone.", code="invalid-parameter", field="attribution",
            fix=f"Ask for one of {', '.join(one.id for one in DEFINITIONS if takes_attribution(one))}.",
        )  # fmt: skip
    return named or Attribution.FIRST


def _half_life(value: str) -> float:
    if not value:
        return HALF_LIFE_DAYS
    try:
        days = float(value)
    except ValueError:
        days = 0.0
    if not 0.01 <= days <= 3650:
        raise Rejected(
            "It is no number of days.", code="invalid-parameter", field="half_life_days", fix="Write 0.01 to 3650."
        )
    return days


def _in_order(start: Bound, end: Bound) -> None:
    """Refuses a window that ends before it begins, which would answer nothing and look like an answer."""
    if start is None or end is None:
        return
    first, last = (bound if isinstance(bound, datetime) else midnight_utc(bound) for bound in (start, end))
    if isinstance(start, datetime) == isinstance(end, datetime) and first > last:
        raise Rejected("It ends before it begins.", code="invalid-parameter", field="to", fix="Give a later `to`.")
