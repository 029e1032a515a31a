"""How somebody came, read from what browsers and forms send along: addresses of pages, the referrer, the browser's name."""

from services.capture.domain.visits.reading import NEVER_KEPT, VISIT_FIELDS, Browser, Visit, read_visit, unread_browser

__all__ = ["NEVER_KEPT", "VISIT_FIELDS", "Browser", "Visit", "read_visit", "unread_browser"]
