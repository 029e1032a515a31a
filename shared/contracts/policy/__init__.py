"""Policy is data: what a business unit calls things and which rules decide, as one versioned document.

A unit has the document's `defaults` with its own sections put in their place. Every decision that an event records
carries the `version` that made it. Each section is a module here; a new one is added to `UnitPolicy`.
"""

from shared.contracts.policy.channels import AdapterName, Endpoint, VerificationName
from shared.contracts.policy.contact import ContactRules, Limit, QuietHours
from shared.contracts.policy.document import Policy, UnitPolicy
from shared.contracts.policy.follow_up import Cadence, Escalation, FollowUp, Step
from shared.contracts.policy.intake import ConsentRules, MarkLists, Marks, SpamSigns, Vocabulary
from shared.contracts.policy.matching import Matching
from shared.contracts.policy.qualification import (
    ACTIVITY_PREFIX,
    ANY_ACTIVITY,
    QUALIFICATION_VOCABULARY,
    Criteria,
    Qualification,
    QualificationRule,
)
from shared.contracts.policy.ratings import Grade, Ratings, Temperature
from shared.contracts.policy.reports import Cut, Delivery, Report
from shared.contracts.policy.routing import ROUTING_VOCABULARY, Owner, Routing, RoutingRule, Team
from shared.contracts.policy.scoring import Rules, Scoring, Variant
from shared.contracts.policy.scoring_rules import (
    ANY_KIND,
    FIT_FIELDS,
    FIT_VOCABULARY,
    INTERACTION_VOCABULARY,
    PRESENCE_FIELDS,
    SEGMENT,
    SEGMENT_VOCABULARY,
    Cap,
    Decay,
    EngagementRule,
    FitRule,
)
from shared.contracts.policy.section import Section
from shared.contracts.policy.selling import (
    DEAL_VOCABULARY,
    RETURN_VOCABULARY,
    Customers,
    PipelineRule,
    Renewing,
    Returning,
    Stage,
)
from shared.contracts.policy.templates import Template, Wording
from shared.contracts.policy.working_time import WorkingHours

__all__ = [
    "ACTIVITY_PREFIX",
    "ANY_ACTIVITY",
    "ANY_KIND",
    "DEAL_VOCABULARY",
    "FIT_FIELDS",
    "FIT_VOCABULARY",
    "INTERACTION_VOCABULARY",
    "PRESENCE_FIELDS",
    "QUALIFICATION_VOCABULARY",
    "RETURN_VOCABULARY",
    "ROUTING_VOCABULARY",
    "SEGMENT",
    "SEGMENT_VOCABULARY",
    "AdapterName",
    "Cadence",
    "Cap",
    "ConsentRules",
    "ContactRules",
    "Criteria",
    "Customers",
    "Cut",
    "Decay",
    "Delivery",
    "Endpoint",
    "EngagementRule",
    "Escalation",
    "FitRule",
    "FollowUp",
    "Grade",
    "Limit",
    "MarkLists",
    "Marks",
    "Matching",
    "Owner",
    "PipelineRule",
    "Policy",
    "Qualification",
    "QualificationRule",
    "QuietHours",
    "Ratings",
    "Renewing",
    "Report",
    "Returning",
    "Routing",
    "RoutingRule",
    "Rules",
    "Scoring",
    "Section",
    "SpamSigns",
    "Stage",
    "Step",
    "Team",
    "Temperature",
    "Template",
    "UnitPolicy",
    "Variant",
    "VerificationName",
    "Vocabulary",
    "Wording",
    "WorkingHours",
]
