"""What scoring keeps, and how the handlers read and write it."""

from services.scoring.storage.leads import GroupChanged, due_leads, locked_groups, postpone, save_leads
from services.scoring.storage.ledger import add_attachments, add_touches, ledgers
from services.scoring.storage.tables import AttachmentRow, LeadRow, ScoringTable, TouchRow

__all__ = [
    "AttachmentRow",
    "GroupChanged",
    "LeadRow",
    "ScoringTable",
    "TouchRow",
    "add_attachments",
    "add_touches",
    "due_leads",
    "ledgers",
    "locked_groups",
    "postpone",
    "save_leads",
]
