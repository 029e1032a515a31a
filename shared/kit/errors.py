"""What an error's type says happens next: `Retryable` waits and tries again, `Rejected` tells the sender what to mend,
anything else is a bug."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class LeadflowError(Exception):
    """An error this system raises on purpose. Its message never carries personal data."""


class Retryable(LeadflowError):
    """Something this process depends on is away for now; nothing was decided. Try again after `retry_after_seconds`."""

    status = 503
    code = "unavailable"
    title = "Try again later"

    def __init__(self, detail: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class TookTooLong(Retryable):
    """What was asked takes the database longer than a question may. The same again takes as long, unless there is less to do then."""

    code = "took-too-long"

    def __init__(self, limit_seconds: float) -> None:
        super().__init__(f"It took the database longer than {limit_seconds:g} s.", retry_after_seconds=10)
        self.limit_seconds = limit_seconds


class Stopped(LeadflowError):
    """Going on could lose or double something, so this process stops here, loudly, until a person has looked."""


class Rejected(LeadflowError):
    """The request or record can never be taken as it is. Says what is wrong and how to mend it."""

    def __init__(
        self,
        detail: str,
        *,
        status: int = 422,
        code: str = "invalid",
        title: str | None = None,
        field: str | None = None,
        fix: str | None = None,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.code = code
        self.title = title
        self.field = field
        self.fix = fix
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})

    def problem(self) -> dict[str, Any]:
        """The error as an RFC 9457 problem document."""
        document: dict[str, Any] = {
            "type": f"urn:leadflow:problem:{self.code}",
            "title": self.title or self.code.replace("-", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
        }
        if self.field is not None:
            document["field"] = self.field
        if self.fix is not None:
            document["fix"] = self.fix
        return {**document, **self.extra}
