"""How somebody came, read from what browsers and forms send along: addresses of pages, the referrer, the browser's name."""

from services.capture.domain.visits.machines import machine_address, without_machines
from services.capture.domain.visits.reading import VISIT_FIELDS, Browser, Visit, read_visit, unread_browser

__all__ = [
    "VISIT_FIELDS",
    "Browser",
    "Visit",
    "machine_address",
    "read_visit",
    "unread_browser",
    "without_machines",
]
