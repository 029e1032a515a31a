"""What can stop the embedded run; every message says what to do."""

from __future__ import annotations

from shared.kit.errors import LeadflowError


class LocalRunError(LeadflowError):
    """The embedded run cannot start or stop. Shown to the operator as it is."""
