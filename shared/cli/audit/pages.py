"""Books that services hold against themselves a page at a time, and the history against the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.cli.audit.ledger import Ledger
from shared.cli.audit.steps import SHOWN, Deadline
from shared.cli.http import ServiceClient

OnPage = Callable[[int], None]


@dataclass(slots=True)
class PagedCheck:
    """How much was looked at, how much of that differs, and the first of it."""

    name: str
    what: str
    checked: int = 0
    different: int = 0
    differences: list[str] = field(default_factory=list)

    def add(self, page: Mapping[str, Any]) -> None:
        """One more page."""
        self.checked += page["checked"]
        self.different += page["different"]
        self.differences += [_told(one) for one in page["differences"][: SHOWN - len(self.differences)]]


async def check_pages(
    ledger: Ledger, check: PagedCheck, client: ServiceClient, path: str, deadline: Deadline, on_page: OnPage
) -> PagedCheck:
    """Asks for page after page from where it was stopped. A page with differences is looked at again while there is time:
    what is being done at that moment is no difference."""

    async def take(after: Any) -> Any:
        page = await client.post(path, {"after": after})
        while page["different"] and await deadline.wait():
            page = await client.post(path, {"after": after})
        check.add(page)
        return page["next"]

    return await _page_by_page(ledger, check, take, on_page)


async def check_history(
    ledger: Ledger, check: PagedCheck, client: ServiceClient, before: datetime, on_page: OnPage
) -> PagedCheck:
    """Whether the log holds every event that pipeline's history has, of those recorded before the log's ends were fixed."""

    async def take(after: Any) -> Any:
        page = await client.post("/v1/audit/history", {"after": after, "before": before.isoformat()})
        lacking = ledger.lacking([(UUID(lead), UUID(event)) for lead, event in page["ids"]])
        check.checked += len(page["ids"])
        check.different += len(lacking)
        check.differences += [
            f"lead {lead}: event {event} is in pipeline's history and not in the log"
            for lead, event in lacking[: SHOWN - len(check.differences)]
        ]
        return page["next"]

    return await _page_by_page(ledger, check, take, on_page)


async def _page_by_page(
    ledger: Ledger, check: PagedCheck, take: Callable[[Any], Awaitable[Any]], on_page: OnPage
) -> PagedCheck:
    """Takes each page after the one that `take` was stopped at, and keeps what was found with the place it was found up to."""
    kept = ledger.kept(check.name, {"after": None, "over": False, "check": {}})
    for name, value in kept["check"].items():
        setattr(check, name, value)
    after, over = kept["after"], kept["over"]
    while not over:
        after = await take(after)
        over = after is None
        counted = {name: getattr(check, name) for name in ("checked", "different", "differences")}
        with ledger.together():
            ledger.keep(check.name, {"after": after, "over": over, "check": counted})
        on_page(check.checked)
    ledger.write()
    return check


def _told(difference: Mapping[str, Any]) -> str:
    """A difference for people: whose it is first, then the rest."""
    leads = difference.get("lead_id") or difference.get("root_id") or " ".join(difference.get("leads", ()))
    rest = ", ".join(
        f"{name} {value}"
        for name, value in difference.items()
        if name not in ("lead_id", "root_id", "leads") and value != ""
    )
    return f"lead {leads}: {rest}" if leads else rest
