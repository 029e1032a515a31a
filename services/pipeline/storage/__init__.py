"""Pipeline's tables and every query on them."""

from services.pipeline.storage.tables import (
    Aside,
    Command,
    HistoryEntry,
    Lead,
    LeadIdentity,
    NeverMerge,
    Opportunity,
    PipelineTable,
    Waiting,
    WaitingIdentity,
)

__all__ = [
    "Aside",
    "Command",
    "HistoryEntry",
    "Lead",
    "LeadIdentity",
    "NeverMerge",
    "Opportunity",
    "PipelineTable",
    "Waiting",
    "WaitingIdentity",
]
