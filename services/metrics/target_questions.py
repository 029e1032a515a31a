"""What is asked of targets, and what is said of them: taken if it makes sense, refused with what would."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.forms import (
    Best,
    Churn,
    Coverage,
    DataQuality,
    Definition,
    Due,
    Incidence,
    MoneyRatio,
    Ranking,
    Ratio,
    Satisfaction,
    Share,
)
from services.metrics.domain.questions import Bound
from services.metrics.domain.targets import (
    Aim,
    Baseline,
    Direction,
    Reading,
    TargetForm,
    aimed_by,
    can_be_aimed_at,
    is_judged,
    is_money,
    needs_baseline,
    usual_direction,
)
from services.metrics.storage.attaining import midnight
from shared.contracts.amounts import settled
from shared.contracts.envelope import EARLIEST, LATEST, Currency, Name
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import PERIODS
from shared.kit.errors import Rejected

Day = Annotated[date, Field(ge=EARLIEST.date(), lt=LATEST.date())]
Number = Annotated[Decimal, Field(max_digits=20, decimal_places=6), AfterValidator(settled)]
COVERED = "sales_volume"
AN_EXAMPLE = date(2026, 5, 1)


class TargetSaid(BaseModel):
    """What a number is wanted to be. The period is named (2026, 2026-H1, 2026-Q1, 2026-03, as the unit's calendar has them) or
    given by its days, `to` being the first day after it. From a baseline a value can be read as `relative` (0.2 is a fifth
    more) or in `points` (0.05 is from 25 % to 30 %)."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        json_schema_extra={
            "example": {
                "kpi": "win_rate_count", "business_unit": "europe", "cut": {"team": "north"}, "period": "2026-Q1",
                "value": "0.05", "reading": "points", "baseline": "last_year", "note": "agreed in December",
            }
        },
    )  # fmt: skip

    kpi: Name
    business_unit: Name | None = Field(None, description="None: everybody.")
    cut: dict[Name, Name] = Field(default_factory=dict)
    period: Name | None = None
    first_day: Day | None = Field(None, alias="from")
    after_day: Day | None = Field(None, alias="to")
    value: Number
    reading: Reading = Reading.ABSOLUTE
    baseline: Baseline | None = None
    baseline_value: Number | None = None
    direction: Direction | None = Field(None, description="Less of times, costs and losses, more of all else.")
    currency: Currency | None = Field(None, description="Of money: the unit's own where there is none.")
    note: Annotated[str, Field(max_length=500)] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> TargetSaid:
        if (self.period is None) == (self.first_day is None or self.after_day is None):
            raise ValueError("give either period, or both from and to")
        if self.period is not None and (self.first_day or self.after_day):
            raise ValueError("give either period, or both from and to")
        if needs_baseline(self.reading) and self.baseline is None:
            raise ValueError(
                f"a {self.reading} value needs a baseline: fixed (with baseline_value), previous_period or last_year"
            )
        if (self.baseline is Baseline.FIXED) != (self.baseline_value is not None):
            raise ValueError("a baseline that is fixed has a baseline_value, and no other has")
        return self


def aim_of(said: TargetSaid, policy: Policy) -> tuple[Aim, datetime]:
    """A target that makes sense, with the moment its period starts. Raises `Rejected`."""
    definition = BY_ID.get(said.kpi)
    if definition is None or not can_be_aimed_at(definition):
        raise _refused(
            "There is no KPI of this name that could have a target.", "kpi",
            "GET /v1/kpis lists them; those about targets have none themselves.",
        )  # fmt: skip
    known = aimed_by(definition)
    if unknown := [name for name in said.cut if name not in known]:
        raise _refused(f"{said.kpi} is not known by {unknown[0]!r}.", "cut", f"Use {', '.join(known)}.")
    if is_judged(definition) and len(said.cut) > 1:
        raise _refused("Forecasts are frozen by one of these.", "cut", f"Use one of {', '.join(known)}.")
    if said.reading is Reading.POINTS and definition.unit != "ratio":
        raise _refused(
            "Only a rate rises in points.", "reading", "Say `relative` for a share more, or `absolute` for the number itself."
        )  # fmt: skip
    if _is_share(definition):
        _check_share(said)
    unit = policy.unit(said.business_unit or "")
    if said.business_unit is not None and not policy.has(said.business_unit):
        raise _refused(
            "The policy has no such business unit.", "business_unit",
            f"Use {', '.join(sorted({'default', *policy.business_units}))}, or none for everybody.",
        )  # fmt: skip
    if said.currency is not None and not is_money(definition):
        raise _refused(f"{said.kpi} is not money.", "currency", "Leave it out.")
    first, after = said.first_day, said.after_day
    if said.period is not None:
        found = unit.calendar.named(said.period)
        if found is None:
            raise _refused(
                "The unit's calendar has no period of this name.", "period",
                f"Write it like {unit.calendar.name_of('quarter', unit.calendar.first_of('quarter', AN_EXAMPLE))}, or give `from` and `to`.",
            )  # fmt: skip
        period, first = found
        after = unit.calendar.moved(period, first, 1)
    assert first is not None and after is not None  # noqa: PT018
    if after <= first:
        raise _refused("It ends before it begins.", "to", "Give the first day after the period.")
    currency = (said.currency or unit.currency) if is_money(definition) else None
    aim = Aim(
        said.business_unit, said.kpi, said.cut, first, after, said.value, said.reading, said.baseline,
        said.baseline_value, said.direction or usual_direction(definition), currency, said.note,
    )  # fmt: skip
    return aim, midnight(first, unit.zone)


def aimed_at(definition: Definition, of: str, start: Bound, end: Bound, cuts: Sequence[str]) -> Definition | None:
    """The KPI whose targets are asked about, sales where none is named; None where a KPI itself is. Raises `Rejected`."""
    if not isinstance(definition.form, TargetForm):
        if of:
            raise _refused("This KPI is not about another one.", "of", "Leave it out.")
        return None
    if isinstance(definition.form, Coverage):
        if of not in ("", COVERED):
            raise _refused(f"Open deals cover a target for {COVERED}.", "of", "Leave it out.")
        of = COVERED
    found = BY_ID.get(of or COVERED)
    if found is None or not can_be_aimed_at(found):
        raise _refused("There is no KPI of this name with a target.", "of", "GET /v1/targets has what there is.")
    if any(isinstance(bound, datetime) for bound in (start, end)):
        raise _refused("A target is for days.", "from", "Give `from` and `to` as dates.")
    if sum(cut in PERIODS for cut in cuts) > 1:
        raise _refused("A target has one period.", "group_by", "Group by one of the periods.")
    return found


def _check_share(said: TargetSaid) -> None:
    """Raises `Rejected` for more than all of a whole, or less than nothing, as far as that is known beforehand."""
    value, baseline = said.value, said.baseline_value
    if baseline is not None and not 0 <= baseline <= 1:
        raise _refused("A rate is between 0 and 1.", "baseline_value", "Write 0.25 for 25 %.")
    if said.reading is Reading.ABSOLUTE and not 0 <= value <= 1:
        raise _refused("A rate is between 0 and 1.", "value", "Write 0.3 for 30 %.")
    if said.reading is Reading.POINTS and not -1 <= value <= 1:
        raise _refused("No rate rises or falls by more than all of it.", "value", "Write 0.05 for 5 points.")
    if baseline is None or said.reading is Reading.ABSOLUTE:
        return
    there = baseline + value if said.reading is Reading.POINTS else baseline * (1 + value)
    if not 0 <= there <= 1:
        raise _refused(
            f"From {baseline:f} that leads to {there:f}, and a rate is between 0 and 1.", "value",
            "Write 0.05 for 5 points, or relative for 5 % more.",
        )  # fmt: skip


def _is_share(definition: Definition) -> bool:
    """Whether a ratio is a part of a whole, so that it cannot be more than all of it."""
    form = definition.form
    shares = (Share, Incidence, Ranking, MoneyRatio, Due, Churn, Satisfaction, Best, DataQuality)
    return isinstance(form, shares) or (isinstance(form, Ratio) and form.proportion)


def _refused(detail: str, field: str, fix: str) -> Rejected:
    return Rejected(detail, code="invalid-target", field=field, fix=fix)
