"""The entries behind numbers about targets: of each target those of what is held against it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from services.metrics.domain.answers import TOTAL, Group
from services.metrics.domain.drilling import Counted
from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import Coverage
from services.metrics.domain.questions import Question
from services.metrics.domain.targets import Target, is_money
from services.metrics.storage.attaining import Attaining
from services.metrics.storage.drilling import Page, counted_behind
from shared.contracts.policy import Policy
from shared.kit.database import Database
from shared.kit.errors import Rejected

MOST_TARGETS = 50
"""Each is a question of its own."""


class Part(NamedTuple):
    """What was counted, and by which question it is weighed."""

    question: Question
    counted: list[Counted]


async def behind_targets(
    database: Database,
    policy: Policy,
    attaining: Attaining,
    question: Question,
    *,
    group: Group | None,
    after: UUID | None,
    limit: int,
) -> tuple[list[Part], UUID | None]:
    """A page of leads, as `counted_behind` has them, of all targets that are asked about, or of one group's."""
    every = await attaining.groups_of(question)
    if group is None:
        wanted = {target: own for target, own in every.items() if (own is TOTAL) != bool(question.group_by)}
    else:
        wanted = {target: own for target, own in every.items() if own == group}
    if len(wanted) > MOST_TARGETS:
        raise Rejected(
            f"These are {len(wanted)} targets.", code="invalid-parameter", field="group",
            fix="Ask about one of the groups, or of fewer days.",
        )  # fmt: skip
    only = Measure.OPPORTUNITY_OPEN if isinstance(question.definition.form, Coverage) else None
    pages: dict[Target, tuple[Question, Page]] = {}
    for target in wanted:
        asked = attaining.held_against(question, target.aim)
        page = await counted_behind(database, policy, asked, group=None, after=after, limit=limit, only=only)
        pages[target] = asked, page
    leads = sorted({one.root_id for _, page in pages.values() for one in page.counted})
    there, more = set(leads[:limit]), any(page.last is not None for _, page in pages.values())
    parts = []
    for target, (asked, page) in pages.items():
        own = wanted[target] or ()
        counted = [one._replace(group=own) for one in page.counted if one.root_id in there and _is_told(asked, one)]
        if only is not None:
            asked = replace(asked, definition=question.definition)
        parts.append(Part(asked, counted))
    return parts, leads[limit - 1] if more or len(leads) > limit else None


def _is_told(question: Question, one: Counted) -> bool:
    """Whether it is in the number: amounts are, that are in the target's currency or have a rate."""
    return not is_money(question.definition) or one.currency in (None, question.currency)
