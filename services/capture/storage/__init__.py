"""Schema `capture`: what the door keeps, each concern in a module of its own. Nothing that takes a lead in waits for it."""

from services.capture.storage.counts import DoorCountRow, DoorKey, LogCountRow, add_door_counts
from services.capture.storage.keys import ApiKeyRow, KeyChangesRow
from services.capture.storage.quarantine import QuarantineActionRow, Quarantined, QuarantineRow, add_quarantined
from services.capture.storage.receipts import ReceiptRow

__all__ = [
    "ApiKeyRow",
    "DoorCountRow",
    "DoorKey",
    "KeyChangesRow",
    "LogCountRow",
    "QuarantineActionRow",
    "QuarantineRow",
    "Quarantined",
    "ReceiptRow",
    "add_door_counts",
    "add_quarantined",
]
