"""Any number but those about targets, by what it is made of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from zoneinfo import ZoneInfo

from services.metrics.domain.answers import Group, Values
from services.metrics.domain.forms import Accuracy, Weighted
from services.metrics.domain.maturing import cohort_of, with_maturity
from services.metrics.domain.questions import UNIT, Question
from services.metrics.storage import answering, expecting, judging
from services.metrics.storage.cutting import names_days
from services.metrics.storage.spreads import first_day
from shared.contracts.policy import Policy
from shared.kit.database import Database


async def values_of(
    database: Database, policy: Policy, progress: answering.Progress, question: Question
) -> dict[Group | None, Values]:
    """The values of every group and of the total. Where something that happened after the moment that is asked about is folded
    meanwhile, all is told again, behind it: sums may have it in them already, and would not have it the next time."""
    found = await _values_of(database, policy, progress, question)
    if progress.latest is None or progress.latest <= question.as_of:
        newer = await answering.progress(database)
        if newer.latest is not None and newer.latest > question.as_of:
            return await _values_of(database, policy, newer, question)
    return found


async def _values_of(
    database: Database, policy: Policy, progress: answering.Progress, question: Question
) -> dict[Group | None, Values]:
    if names_days(question):
        question = replace(question, since=await first_day(database))
    units = question.filters.get(UNIT, ())
    question = question.seen_from(progress.latest, zones_of(policy, units))
    if isinstance(question.definition.form, Weighted):
        return await expecting.values_of(database, policy, question)
    if isinstance(question.definition.form, Accuracy):
        return await judging.values_of(database, policy, progress, question)
    zone = policy.unit((units[0] if len(units) == 1 else None) or "").zone
    found = await answering.values_of(database, question, zone, rollups=question.fits_rollups())
    cohort = cohort_of(question)
    if cohort is None:
        return found
    of_cohort = await answering.values_of(database, cohort, zone, rollups=cohort.fits_rollups())
    return with_maturity(question, found, of_cohort)


def zones_of(policy: Policy, units: Collection[str | None]) -> set[ZoneInfo]:
    """Where these units are, for none all."""
    if units:
        return {policy.unit(unit or "").zone for unit in units}
    return {policy.defaults.zone, *(policy.unit(unit).zone for unit in policy.business_units)}
