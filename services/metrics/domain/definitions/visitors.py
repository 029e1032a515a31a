"""What is told of those who were there and are no leads, or not yet."""

from __future__ import annotations

from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import Definition, PerVisitor, Visitors

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "visitors", "visitors", "period", Visitors(),
        "different visitor ids seen in the window, of leads and of people nobody knows; tests, spam and bots left out. Group by the "
        "channel, source and campaign of the visits",
        "one who came by two ways is in both groups, and once in the total; a browser is no person", "visitor_to_lead",
    ),
    Definition(
        "visitor_to_lead", "ratio", "period", PerVisitor(Measure.LEAD_CREATED),
        "leads created in the window ÷ visitors of the window",
        "different people above and below: who calls was no visitor, so it can exceed 1", "created_to_qualified_cohort",
    ),
)  # fmt: skip
