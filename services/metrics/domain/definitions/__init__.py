"""What each KPI means. A KPI is one definition here and one test; its form says how it is computed.

Change a formula and its version rises; an answer names the version it was made with.
"""

from __future__ import annotations

from services.metrics.domain.definitions import customers, leads, opportunities, quality, spending, targets, visitors
from services.metrics.domain.forms import Definition

DEFINITIONS: tuple[Definition, ...] = (
    *visitors.DEFINITIONS,
    *quality.DEFINITIONS,
    *leads.DEFINITIONS,
    *opportunities.DEFINITIONS,
    *spending.DEFINITIONS,
    *targets.DEFINITIONS,
    *customers.DEFINITIONS,
)

BY_ID = {definition.id: definition for definition in DEFINITIONS}
