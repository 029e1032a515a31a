"""Schema `capture`: what the door keeps, each concern in a module of its own. Nothing that takes a lead in waits for it."""

from services.capture.storage.counts import (
    DoorCountRow,
    LogCountRow,
    add_door_counts,
    add_log_counts,
    delete_counts,
    door_counts,
    log_counts,
)
from services.capture.storage.erasures import ErasedRow, erase, is_erased, leave_out_erased
from services.capture.storage.keys import KEYS, ApiKeyRow, KeyChangesRow
from services.capture.storage.quarantine import QuarantineActionRow, Quarantined, QuarantineRow, add_quarantined
from services.capture.storage.receipts import (
    Period,
    Receipt,
    ReceiptRow,
    add_receipts,
    delete_receipts,
    known_digests,
    receipts_beside,
    with_receipts,
)
from services.capture.storage.upload_rows import UploadFaultRow, UploadMetRow, delete_met_rows
from services.capture.storage.uploads import HeldFile, UploadRow, delete_uploads, held_files

__all__ = [
    "KEYS",
    "ApiKeyRow",
    "DoorCountRow",
    "ErasedRow",
    "HeldFile",
    "KeyChangesRow",
    "LogCountRow",
    "Period",
    "QuarantineActionRow",
    "QuarantineRow",
    "Quarantined",
    "Receipt",
    "ReceiptRow",
    "UploadFaultRow",
    "UploadMetRow",
    "UploadRow",
    "add_door_counts",
    "add_log_counts",
    "add_quarantined",
    "add_receipts",
    "delete_counts",
    "delete_met_rows",
    "delete_receipts",
    "delete_uploads",
    "door_counts",
    "erase",
    "held_files",
    "is_erased",
    "known_digests",
    "leave_out_erased",
    "log_counts",
    "receipts_beside",
    "with_receipts",
]
