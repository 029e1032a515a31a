"""Somebody's history becomes facts: as it is, authoritative, deciding nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from services.pipeline.domain.customers import contradicting, contradicts
from services.pipeline.domain.facts import Draft, given
from services.pipeline.domain.history_rows import ABOUT_ORDERS, HistoryRow
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.outcomes import worded
from services.pipeline.domain.state import CAPTURED
from shared.contracts.envelope import LifecycleEvent
from shared.contracts.identity import derived_event_id
from shared.contracts.interactions import INTERACTION_KINDS, folded_kind, refuses
from shared.contracts.lifecycle_events import (
    AmountChanged,
    CloseDateChanged,
    ConsentChanged,
    ContactAttempted,
    CustomerChurned,
    LeadArchived,
    LeadAssigned,
    LeadCreated,
    LeadQualified,
    LeadReopened,
    LeadTouched,
    OpportunityAssigned,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWon,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    SatisfactionAsked,
    SatisfactionRecorded,
    StageChanged,
)
from shared.contracts.policy import UnitPolicy

UNKNOWN = "unknown"
"""The reason of an archive or a loss that came without one: shown as such, never left out."""

_TOUCH = ("channel", "source", "medium", "campaign", "product")
_DEAL = ("amount", "currency", "product", "owner", "team")


def record_row(ledger: Ledger, lead_id: UUID, row: HistoryRow, *, sender: str, unit: UnitPolicy) -> None:
    """Records a row in the story of `lead_id`, which it begins where nobody knew the lead."""
    correlation_id = row.event_id
    if lead_id in ledger:
        _tell(ledger, lead_id, row, sender, unit)
        return
    ledger.create(lead_id, row.business_unit)
    touch = _some(row, *_TOUCH)
    if row.event == "lead_created":
        data = given(sender=sender, historical=True, **touch)
        ledger.record(
            lead_id, Draft(LeadCreated, row.event_id, row.occurred_at, correlation_id, None, data, row.fingerprint)
        )
        return
    data = given(sender=sender, implied=True, historical=True, **touch)
    implied = derived_event_id(row.event_id, "LeadCreated")
    ledger.record(lead_id, Draft(LeadCreated, implied, row.occurred_at, correlation_id, None, data))
    _tell(ledger, lead_id, row, sender, unit)


def _tell(ledger: Ledger, lead_id: UUID, row: HistoryRow, sender: str, unit: UnitPolicy) -> None:
    ledger.record(lead_id, _draft(row, sender, unit))
    if row.event == "interaction" and refuses(row.values.get("kind", "")):
        event_id = derived_event_id(row.event_id, "ConsentChanged")
        data = {"purpose": unit.contact.mail_purpose, "granted": False, "historical": True}
        ledger.record(lead_id, Draft(ConsentChanged, event_id, row.occurred_at, row.event_id, row.event_id, data))


def _draft(row: HistoryRow, sender: str, unit: UnitPolicy) -> Draft:
    kind, data = _event(row, sender, unit)
    data = given(**data, historical=True)
    about = (_some(row, "value") or None) if row.event == "interaction" else None
    return worded(unit, Draft(kind, row.event_id, row.occurred_at, row.event_id, None, data, row.fingerprint, about))


def _event(row: HistoryRow, sender: str, unit: UnitPolicy) -> tuple[type[LifecycleEvent], dict[str, Any]]:
    values = row.values
    deal = _some(row, "opportunity_id")
    match row.event:
        case "lead_created":
            return LeadTouched, {"kind": CAPTURED, "sender": sender, **_some(row, *_TOUCH)}
        case "interaction":
            kind = values.get("kind", "interaction")
            kind = kind if kind != CAPTURED else "interaction"
            kind = folded if (folded := folded_kind(kind)) in INTERACTION_KINDS else kind
            return LeadTouched, {"kind": kind, "sender": sender, **_some(row, *_TOUCH)}
        case "assigned":
            return LeadAssigned, _some(row, "owner", "team")
        case "qualified":
            return LeadQualified, {}
        case "archived":
            return LeadArchived, {"reason": values.get("reason", UNKNOWN)}
        case "reopened":
            return LeadReopened, {}
        case "contact_attempted":
            outcome = values.get("value")
            attempt = {"kind": values.get("kind", "contact"), "outcome": outcome, **_some(row, "owner")}
            return ContactAttempted, {**attempt, "duration_seconds": row.duration_seconds}
        case "opportunity_opened":
            closing = row.expected_close.isoformat() if row.expected_close else None
            opened = {**deal, **_some(row, "stage", "pipeline", *_DEAL), "expected_close": closing}
            return OpportunityOpened, {**opened, "position": _position(values, unit), **_with_lines(row)}
        case "stage_changed":
            return StageChanged, {**deal, **_some(row, "stage", "owner", "team"), "position": _position(values, unit)}
        case "amount_changed":
            return AmountChanged, {**deal, **_some(row, "amount", "currency"), **_with_lines(row)}
        case "close_date_changed":
            changed = row.expected_close.isoformat() if row.expected_close else None
            return CloseDateChanged, {**deal, "expected_close": changed}
        case "opportunity_assigned":
            return OpportunityAssigned, {**deal, **_some(row, "owner", "team")}
        case "won":
            return OpportunityWon, {**deal, **_some(row, *_DEAL)}
        case "lost":
            return OpportunityLost, {**deal, "reason": values.get("reason", UNKNOWN), **_some(row, *_DEAL)}
        case "order_placed":
            order = {
                "order_id": order_of(row),
                **_some(row, "opportunity_id", "amount", "currency", "product", "cost", "renews", "runs_until"),
                **_with_lines(row),
            }
            return OrderPlaced, order
        case "order_refunded":
            return OrderRefunded, _some(row, "order_id", "amount", "currency", "reason")
        case "order_cancelled":
            return OrderCancelled, _some(row, "order_id", "reason")
        case "churned":
            return CustomerChurned, _some(row, "reason")
        case "satisfaction_asked":
            return SatisfactionAsked, {"scale": values.get("kind", "csat")}
        case "satisfaction":
            return SatisfactionRecorded, {"value": float(values["value"]), "scale": values.get("kind")}
        case unknown:
            raise ValueError(f"no rule for the history event {unknown}")


def _some(row: HistoryRow, *names: str) -> dict[str, str]:
    return {name: row.values[name] for name in names if name in row.values}


def _with_lines(row: HistoryRow) -> dict[str, Any]:
    return {"lines": list(row.lines)} if row.lines else {}


def _position(values: Mapping[str, str], unit: UnitPolicy) -> int | None:
    return unit.stage_position(values.get("stage"), values.get("pipeline", "default"))


ABOUT_DEALS = (
    "opportunity_opened", "stage_changed", "amount_changed", "close_date_changed", "opportunity_assigned", "won", "lost",
)  # fmt: skip


def opportunity_of(row: HistoryRow) -> str | None:
    """The deal a row names; None for a row that names none, as an order may."""
    return row.values.get("opportunity_id") if row.event in (*ABOUT_DEALS, "order_placed") else None


def is_of_unnamed_deal(row: HistoryRow) -> bool:
    """Whether a row is about the one deal that its lead has."""
    return row.event in ABOUT_DEALS and "opportunity_id" not in row.values


def deal_of(lead_id: UUID) -> str:
    """What a lead's deal is called where nobody named it: something made of the id of ours, which says nobody."""
    return str(derived_event_id(lead_id, "opportunity"))


def of_deal(row: HistoryRow, name: str) -> HistoryRow:
    """The row, about the deal of this name. It is told from others as before."""
    return replace(row, values={**row.values, "opportunity_id": name})


def order_of(row: HistoryRow) -> str | None:
    """The order a row is about: the one it names, else its own record; None for a row about no order, or one that nobody named."""
    return row.values.get("order_id", row.values.get("record_id")) if row.event in ABOUT_ORDERS else None


def order_told(ledger: Ledger, lead_id: UUID, row: HistoryRow) -> bool:
    """Whether an order was placed already, by the same facts. Raises `Refused` where others were told."""
    name = order_of(row)
    if row.event != "order_placed" or name is None or lead_id not in ledger:
        return False
    known = ledger.root(lead_id).state.orders.get(name)
    if known is None or known.placed is None:
        return False
    told = {
        **_some(row, "opportunity_id", "amount", "currency", "product", "cost", "renews", "runs_until"),
        **_with_lines(row),
    }
    if contradicts(known, told):
        raise contradicting()
    return True
