"""What is asked over HTTP as a question, and its answer as a document: for the KPI API, and for reports, which ask the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, TypeGuard

from services.metrics.cuts_asked import cuts_asked
from services.metrics.domain.answers import Values, answer_groups, in_one
from services.metrics.domain.attributing import takes_attribution
from services.metrics.domain.calendars import COMPARISONS, Calendars, calendars_of, compared
from services.metrics.domain.customer_answers import DAYS_A_MONTH
from services.metrics.domain.definitions import BY_ID, DEFINITIONS
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.forms import (
    Accuracy,
    Attainment,
    Churn,
    Cost,
    Coverage,
    Definition,
    Pace,
    PerVisitor,
    Return,
    Visitors,
    Worth,
)
from services.metrics.domain.maturing import is_given_a_lifetime
from services.metrics.domain.questions import UNIT, VERSION, Bound, Question, is_known_by_version
from services.metrics.domain.touches import HALF_LIFE_DAYS, Attribution
from services.metrics.lagging import lag_of, takes_lag
from services.metrics.moments import bound, midnight_utc, moment_gone
from services.metrics.storage import judging, numbers
from services.metrics.storage.answering import Progress
from services.metrics.storage.attaining import Attaining
from services.metrics.target_questions import aimed_at
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import SYSTEMS
from shared.kit.database import Database
from shared.kit.errors import Rejected

ONCE = (
    "from", "to", "as_of", "horizon_days", "compare", "calendar", "of", "top", "attribution", "half_life_days", "currency", "rates",
    "lag_days",
)  # fmt: skip
PARAMETERS = (*ONCE, "group_by", UNIT, *DIMENSIONS)
TOP, MOST_TOP = 10, 100


async def answered(
    database: Database, policy: Policy, progress: Progress, question: Question, before: Question | None
) -> dict[str, Any]:
    """The whole answer to a question, with that of the window it is compared with. Raises `Rejected` where nothing is known by its
    cut."""
    if isinstance(question.definition.form, Accuracy):
        judging.refuse_unknown(question)

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
        **head(question, progress),
        "as_of": question.as_of,
        **({"of": question.of.id} if question.of is not None else {}),
        **({"attribution": question.attribution} if takes_attribution(definition) else {}),
        "definition": {name: getattr(definition, name) for name in ("formula", "trap", "counter_kpi")},
        "total": total,
        "groups": groups,
        **beside,
    }


def head(question: Question, progress: Progress) -> dict[str, Any]:
    """What every answer about a number begins with: which it is, of which window and cut, and how far the log is folded."""
    definition = question.definition
    return {
        "kpi": definition.id,
        "version": definition.version,
        "unit": definition.unit,
        "basis": definition.basis,
        "from": question.start,
        "to": question.end,
        "group_by": question.group_by,
        "folded_to": progress.folded_to,
        **({"lag_days": question.lag_days} if takes_lag(definition) else {}),
    }


def describe(definition: Definition) -> dict[str, Any]:
    """A definition for whoever asks what a number means, with what may be said beside its name."""
    names = ("id", "version", "unit", "basis", "formula", "trap", "counter_kpi")
    takes = {"takes": ["of"]} if isinstance(definition.form, Attainment | Pace) else {}
    also = {"also_by": [VERSION]} if is_known_by_version(definition) else {}
    return {**{name: getattr(definition, name) for name in names}, **takes, **also}


def comparison(before: Question, total: Values, total_before: Values, groups_before: list[Values]) -> dict[str, Any]:
    """What was asked of the window that one is compared with, and how far the total moved from there: `absolute` in the
    KPI's own unit (points for a ratio), `relative` to how much that was, whatever its sign."""
    now, then = total.get("value"), total_before.get("value")
    change = None
    if now is not None and then is not None and total.get("currency") == total_before.get("currency"):
        change = {"absolute": now - then, "relative": (now - then) / abs(then) if then else None}
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
    start, end = (bound(name, given[name][0]) if given.get(name, [""])[0] else None for name in ("from", "to"))
    _in_order(start, end)
    cuts = cuts_asked(definition, given.get("group_by", []), filters)
    if isinstance(definition.form, Cost | Return | Worth):
        _whole_days("What was spent is known by the day.", start, end)
    if isinstance(definition.form, Churn):
        _whole_days("Who was a customer is counted by the day.", start, end)
    if isinstance(definition.form, Visitors | PerVisitor):
        _whole_days("Visitors are known by the day.", start, end)
    own = policy.unit(unit or "")
    horizon, top = given.get("horizon_days", [""])[0], given.get("top", [""])[0]
    given_days = _whole("horizon_days", horizon, 3650, "days") if horizon else None
    question = Question(
        definition,
        as_of=moment_gone("as_of", given["as_of"][0], now) if given.get("as_of", [""])[0] else now,
        horizon_days=own.horizon_days if is_given_a_lifetime(definition.form) else given_days or own.horizon_days,
        given_horizon_days=given_days,
        start=start,
        end=end,
        group_by=cuts,
        filters=filters,
        calendars=_calendars(policy, filters.get(UNIT, ()), given.get("calendar", [""])[0]),
        attribution=_attribution(definition, given.get("attribution", [""])[0]),
        stale_days=own.hygiene.stale_days,
        half_life_days=_half_life(given.get("half_life_days", [""])[0]),
        of=aimed_at(definition, given.get("of", [""])[0], start, end, cuts),
        lifetime_months=given_days / DAYS_A_MONTH if given_days else own.customers.lifetime_months,
        top=_whole("top", top, MOST_TOP, "customers") if top else TOP,
        currency=_currency_named(given.get("currency", [""])[0], definition),
        lag_days=lag_of(definition, given.get("lag_days", [""])[0]),
        restated=_restated(given.get("rates", [""])[0], given.get("currency", [""])[0]),
    )
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
    return replace(own, default=own.default.in_system(named), others={})


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


def only_unit(units: Sequence[str | None]) -> str | None:
    """The business unit asked about, where there is one."""
    return units[0] if len(units) == 1 else None


def _currency_named(text: str, definition: Definition) -> str | None:
    """The currency that an answer is wanted in, or None."""
    if text and isinstance(definition.form, Attainment | Pace | Coverage):
        raise Rejected(
            "This number is told in the currency of its target.", code="invalid-parameter", field="currency",
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
    """Refuses a window that ends before it begins, which would answer nothing and look like an answer. A day begins up to a day before
    or after it does in UTC: where one side is a moment, only what is further apart is certain."""
    if start is None or end is None:
        return
    first, last = (one if isinstance(one, datetime) else midnight_utc(one) for one in (start, end))
    unsure = timedelta(0) if isinstance(start, datetime) == isinstance(end, datetime) else timedelta(days=1)
    if first - last > unsure:
        raise Rejected("It ends before it begins.", code="invalid-parameter", field="to", fix="Give a later `to`.")
