"""Pipeline's tables and every query on them."""

from services.pipeline.storage.tables import (
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
