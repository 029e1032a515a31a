"""Policy is data: what a business unit calls things and which rules decide, as one versioned document.

A unit has the document's `defaults` with its own sections put in their place. Every decision that an event records
carries the `version` that made it. Each section is a module here; a new one is added to `UnitPolicy`.
"""

from shared.contracts.policy.channels import AdapterName, Endpoint, VerificationName
from shared.contracts.policy.document import Policy, UnitPolicy
from shared.contracts.policy.intake import ConsentRules, MarkLists, Marks, SpamSigns, Vocabulary
from shared.contracts.policy.scoring import (
    ATTRIBUTE_PREFIX,
    FIT_FIELDS,
    PRESENCE_FIELDS,
    EngagementRule,
    FitRule,
    Grade,
    Scoring,
)
from shared.contracts.policy.section import Section
from shared.contracts.policy.selling import Qualification, Stage

__all__ = [
    "ATTRIBUTE_PREFIX",
    "FIT_FIELDS",
    "PRESENCE_FIELDS",
    "AdapterName",
    "ConsentRules",
    "Endpoint",
    "EngagementRule",
    "FitRule",
    "Grade",
    "MarkLists",
    "Marks",
    "Policy",
    "Qualification",
    "Scoring",
    "Section",
    "SpamSigns",
    "Stage",
    "UnitPolicy",
    "VerificationName",
    "Vocabulary",
]
