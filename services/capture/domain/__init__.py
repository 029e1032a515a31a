"""The rules of intake, pure: what a sender's payload means, whether it can be taken, and the event it becomes."""

from services.capture.domain.faults import Fault
from services.capture.domain.intake import IntakeRules
from services.capture.domain.quarantine import REASONS, Reason, entry_id, merge_patch, redacted
from services.capture.domain.repeats import differences
from services.capture.domain.terms import EventBody, Kind, Readers, Refused, Submission, Taken

__all__ = [
    "REASONS",
    "EventBody",
    "Fault",
    "IntakeRules",
    "Kind",
    "Readers",
    "Reason",
    "Refused",
    "Submission",
    "Taken",
    "differences",
    "entry_id",
    "merge_patch",
    "redacted",
]
