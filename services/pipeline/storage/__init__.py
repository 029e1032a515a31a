"""Pipeline's tables and every query on them."""

from services.pipeline.storage.access_tables import ApiKeyRow, KeyChangesRow
from services.pipeline.storage.activity_tables import ActivityRow
from services.pipeline.storage.bulk_tables import BulkItem, BulkJob
from services.pipeline.storage.contact_tables import ContactName
from services.pipeline.storage.hygiene_tables import HygieneEntry, HygieneLook
from services.pipeline.storage.match_tables import MatchKey, MatchQueue, MatchUnit, MergeCandidate
from services.pipeline.storage.office_tables import (
    MessageRow,
    OwnerAbsence,
    OwnerLoad,
    TaskRow,
    TeamTrack,
    WorklistEntry,
)
from services.pipeline.storage.policy_tables import DryRun
from services.pipeline.storage.tables import (
    Aside,
    Command,
    ErasedName,
    Erasure,
    HistoryEntry,
    Lead,
    LeadIdentity,
    NeverMerge,
    Opportunity,
    PipelineTable,
    Waiting,
    WaitingIdentity,
)
from services.pipeline.storage.visit_tables import VisitorLead, VisitRow
from services.pipeline.storage.webhook_tables import WebhookDelivery, WebhookEndpoint, WebhookFeed

__all__ = [
    "ActivityRow",
    "ApiKeyRow",
    "Aside",
    "BulkItem",
    "BulkJob",
    "Command",
    "ContactName",
    "DryRun",
    "ErasedName",
    "Erasure",
    "HistoryEntry",
    "HygieneEntry",
    "HygieneLook",
    "KeyChangesRow",
    "Lead",
    "LeadIdentity",
    "MatchKey",
    "MatchQueue",
    "MatchUnit",
    "MergeCandidate",
    "MessageRow",
    "NeverMerge",
    "Opportunity",
    "OwnerAbsence",
    "OwnerLoad",
    "PipelineTable",
    "TaskRow",
    "TeamTrack",
    "VisitRow",
    "VisitorLead",
    "Waiting",
    "WaitingIdentity",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookFeed",
    "WorklistEntry",
]
