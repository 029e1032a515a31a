"""Any number but those about targets, by what it is made of."""

from __future__ import annotations

from services.metrics.domain.answers import Group, Values
from services.metrics.domain.forms import Accuracy, Weighted
from services.metrics.domain.questions import UNIT, Question
from services.metrics.storage import answering, expecting, judging
from shared.contracts.policy import Policy
from shared.kit.database import Database


async def values_of(
    database: Database, policy: Policy, progress: answering.Progress, question: Question
) -> dict[Group | None, Values]:
    """The values of every group and of the total."""
    if isinstance(question.definition.form, Weighted):
        return await expecting.values_of(database, policy, question)
    if isinstance(question.definition.form, Accuracy):
        return await judging.values_of(database, policy, progress, question)
    units = question.filters.get(UNIT, ())
    zone = policy.unit((units[0] if len(units) == 1 else None) or "").zone
    return await answering.values_of(database, question, zone, rollups=question.fits_rollups(progress.latest))
