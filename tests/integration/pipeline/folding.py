"""What pipeline's tables have to say if its history is true: each row again, from nothing but facts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from services.pipeline.domain.facts import Fact
from services.pipeline.domain.message_ids import decided_id
from services.pipeline.domain.messages import SENT, SKIPPED
from services.pipeline.domain.state import LeadState, fold
from services.pipeline.domain.worklist import held
from services.pipeline.storage.rows import fact_of
from shared.kit.database import Database

Rows = Mapping[Any, Mapping[str, Any]]
"""A table by its key: what each row has of what history tells."""


class Group:
    """One person: the canonical id, and what the history of all their ids comes to."""

    def __init__(self, root_id: UUID, business_unit: str, facts: Iterable[Fact]) -> None:
        self.root_id = root_id
        self.business_unit = business_unit
        self.state: LeadState = fold(facts)


class Told:
    """Every table as history tells it."""

    def __init__(self, history: list[Any], units: Mapping[UUID, str]) -> None:
        self._history = history
        self._units = units
        self._stories: dict[UUID, list[Fact]] = defaultdict(list)
        for row in history:
            self._stories[row.lead_id].append(fact_of(row))
        self._into = self._merges()
        members: dict[UUID, list[UUID]] = defaultdict(list)
        for lead_id in self._stories:
            members[self._root(lead_id)].append(lead_id)
        self.groups = [
            Group(root_id, units[root_id], (fact for one in ids for fact in self._stories[one]))
            for root_id, ids in members.items()
        ]

    def _merges(self) -> dict[UUID, UUID]:
        into: dict[UUID, UUID] = {}
        for lead_id, facts in self._stories.items():
            for fact in sorted(facts, key=lambda one: one.version):
                if fact.event == "LeadMerged":
                    into[lead_id] = UUID(fact.data["into_lead_id"])
                elif fact.event == "LeadUnmerged":
                    into.pop(lead_id, None)
        return into

    def _root(self, lead_id: UUID) -> UUID:
        while lead_id in self._into:
            lead_id = self._into[lead_id]
        return lead_id

    def ids(self) -> Rows:
        """What the row of any id says, a merged one's too."""
        return {
            lead_id: {
                "version": len(facts),
                "root_id": self._root(lead_id),
                "merged_into": self._into.get(lead_id),
                "contacts": _contacts(facts),
            }
            for lead_id, facts in self._stories.items()
        }

    def leads(self) -> Rows:
        """What the row of a canonical id says of the whole person."""
        return {group.root_id: _lead(group.state, group.root_id) for group in self.groups}

    def opportunities(self) -> Rows:
        """Every deal, in the story that its first fact stands in."""
        return {
            (group.business_unit, name): {
                "lead_id": deal.lead_id,
                "status": deal.status,
                "opened_at": deal.began_at,
                "closed_at": deal.closed_at,
                "reason": deal.reason if deal.status == "lost" else None,
                "expected_close": _time(deal.value("expected_close")),
                **{
                    one: deal.value(one)
                    for one in ("pipeline", "stage", "currency", "product", "owner", "team", "amount")
                },
            }
            for group in self.groups
            for name, deal in group.state.deals.items()
        }

    def orders(self) -> Rows:
        """Every order that was placed."""
        return {
            (group.business_unit, name): {
                "lead_id": order.lead_id,
                "status": order.status,
                "placed_at": order.placed.occurred_at,
                "refunded": order.refunded_text(),
                "runs_until": order.runs_until,
                **{one: order.values.get(one) for one in ("opportunity_id", "amount", "currency", "renews")},
            }
            for group in self.groups
            for name, order in group.state.orders.items()
            if order.placed is not None
        }

    def worklist(self) -> Rows:
        """Every lead that is open work."""
        found: dict[UUID, dict[str, Any]] = {}
        for group in self.groups:
            row = _lead(group.state, group.root_id)
            one = held(
                row["status"],
                counts=row["mark"] is None,
                **{name: row[name] for name in ("owner", "score", "assigned_at", "qualified_at")},
            )
            if one is not None:
                found[group.root_id] = {"business_unit": group.business_unit, **one._asdict()}
        return found

    def owner_loads(self) -> Rows:
        """How many open leads each owner has."""
        counted = Counter((one["business_unit"], one["owner"]) for one in self.worklist().values() if one["owner"])
        return {key: {"leads": number} for key, number in counted.items()}

    def tasks(self) -> Rows:
        """Everything that was due, as what was said of it leaves it, in the order in which it was said."""
        found: dict[UUID, dict[str, Any]] = {}
        for row in self._history:
            data = row.data
            task_id = UUID(str(data.get("task_id", row.event_id)))
            match row.event:
                case "FollowUpScheduled":
                    task = found.setdefault(task_id, _task(row, self._units[row.lead_id]))
                    if _time(data["due_at"]) != task["due_at"]:
                        task["missed_at"] = None
                    task |= {name: data.get(name) for name in ("owner", "send")}
                    task |= {
                        "due_at": _time(data["due_at"]),
                        "starts_at": _time(data.get("starts_at", row.occurred_at)),
                    }
                case "FollowUpMissed" if task_id in found:
                    found[task_id]["missed_at"] = row.occurred_at
                case "FollowUpDone" | "FollowUpCancelled" if task_id in found:
                    found[task_id] |= {
                        "status": "done" if row.event == "FollowUpDone" else "cancelled",
                        "closed_at": row.occurred_at,
                        "outcome": data.get("outcome", data.get("reason")),
                    }
        for task in found.values():
            at = task["due_at"] if task["send"] is None else task["starts_at"]
            task["fires_at"] = at if task["status"] == "open" and task["missed_at"] is None else None
        return found

    def activities(self) -> Rows:
        """What people and machines did. What is done by another fact is a part of that one."""
        found: dict[tuple[UUID, UUID], dict[str, Any]] = {}
        ends: dict[UUID, str] = {}
        done = {(row.event_id, row.recorded_at) for row in self._history}
        for row in self._history:
            outcome, message = row.data.get("outcome"), row.data.get("message_id")
            kind = {"ContactAttempted": row.data.get("kind"), "NoteAdded": "note", "FollowUpDone": "task"}.get(
                row.event
            )
            if row.event == "ContactAttempted" and message is not None and outcome is not None:
                ends[decided_id(UUID(message))] = outcome
            elif kind is not None and not (
                row.event == "FollowUpDone"
                and ((row.causation_id, row.recorded_at) in done or outcome in (SENT, SKIPPED))
            ):
                found[row.event_id, row.lead_id] = {
                    "business_unit": self._units[row.lead_id],
                    "kind": kind,
                    "owner": row.data.get("owner", row.data.get("actor")),
                    "occurred_at": row.occurred_at,
                    "outcome": outcome,
                }
        for (event_id, _), activity in found.items():
            activity["outcome"] = ends.get(event_id, activity["outcome"])
        return found


async def differences(database: Database, said: Iterable[tuple[UUID, int]]) -> list[str]:
    """Where tables and history disagree. `said` is in which order the facts were recorded: by their lead and version."""
    place = {one: place for place, one in enumerate(said)}
    history = await database.rows("SELECT * FROM pipeline.history")
    history.sort(key=lambda row: place[row.lead_id, row.version])
    leads = await database.rows("SELECT * FROM pipeline.leads")
    told = Told(history, {row.lead_id: row.business_unit for row in leads})
    erased = {one for row in await database.rows("SELECT lead_ids FROM pipeline.erasures") for one in row.lead_ids}
    messages = {row.task_id for row in await database.rows("SELECT task_id FROM pipeline.messages")}

    async def table(name: str) -> list[Any]:
        return await database.rows(f"SELECT * FROM pipeline.{name}")

    kept = {row.lead_id: _with_contacts(row) for row in leads}
    pairs: list[tuple[str, Rows, Rows]] = [
        ("ids", told.ids(), kept),
        ("leads", told.leads(), {row.lead_id: row._asdict() for row in leads if row.lead_id == row.root_id}),
        ("opportunities", told.opportunities(), _by(await table("opportunities"), "business_unit", "opportunity_id")),
        ("orders", told.orders(), _by(await table("orders"), "business_unit", "order_id")),
        ("worklist", told.worklist(), _by(await table("worklist"), "lead_id")),
        ("owner_loads", told.owner_loads(), _by([row for row in await table("owner_loads") if row.leads], "business_unit", "owner")),
        ("tasks", told.tasks(), _by(await table("tasks"), "task_id")),
        ("activities", told.activities(), _by(await table("activities"), "event_id", "lead_id")),
    ]  # fmt: skip
    found = []
    for name, wanted, rows in pairs:
        found += [
            f"{name} {key}: only in the {'history' if key in wanted else 'table'}"
            for key in wanted.keys() ^ rows.keys()
        ]
        for key in wanted.keys() & rows.keys():
            for column, value in wanted[key].items():
                there = rows[key][column]
                forgotten = column == "contacts" and key in erased
                under_way = column == "fires_at" and there is None and key in messages
                if there != value and not forgotten and not under_way:
                    found.append(f"{name} {key} {column}: the table has {there!r}, history {value!r}")
    return found


def _by(rows: Iterable[Any], *names: str) -> dict[Any, dict[str, Any]]:
    keyed = {tuple(getattr(row, name) for name in names): row._asdict() for row in rows}
    return {key if len(names) > 1 else key[0]: row for key, row in keyed.items()}


def _with_contacts(row: Any) -> dict[str, Any]:
    return {
        **row._asdict(),
        "contacts": {contact_id: one["role"] for contact_id, one in row.personal.get("contacts", {}).items()},
    }


def _contacts(facts: Iterable[Fact]) -> dict[str, str]:
    """Who there is to speak with, and in which role. A contact stays with the id that it was said of."""
    found: dict[str, str] = {}
    for fact in sorted(facts, key=lambda one: one.version):
        if fact.event == "LeadContactChanged":
            if fact.data["change"] == "removed":
                found.pop(fact.data["contact_id"], None)
            else:
                found[fact.data["contact_id"]] = fact.data["role"]
    return found


def _lead(state: LeadState, root_id: UUID) -> dict[str, Any]:
    touch, graded, assigned = state.first_touch, state.graded, state.assigned
    archived = state.archived if state.is_archived else None
    fields = ("channel", "source", "medium", "campaign", "product")
    return {
        "status": state.status,
        "created_at": state.created_at,
        "explicit_at": state.explicit_at,
        "first_fact_at": state.first_fact_at,
        "first_touch_at": touch.key.occurred_at if touch else None,
        **{name: getattr(touch, name) if touch else None for name in fields},
        **{name: getattr(graded, name) if graded else None for name in ("score", "grade", "probability")},
        "graded_at": graded.key.occurred_at if graded else None,
        **{name: getattr(assigned, name) if assigned else None for name in ("owner", "team")},
        "assigned_at": assigned.key.occurred_at if assigned else None,
        "first_assigned_at": state.first_assigned_at,
        "first_response_at": state.first_response_at,
        "qualified_at": state.qualified_at,
        "archived_at": archived.key.occurred_at if archived else None,
        "archived_reason": archived.reason if archived else None,
        "mark": state.mark,
        "erased": state.is_erased,
        "mark_version": (state.marks[root_id].word_version or None) if root_id in state.marks else None,
    }


def _task(row: Any, business_unit: str) -> dict[str, Any]:
    fields = ("kind", "channel", "cadence", "step", "opportunity_id", "order_id")
    return {
        "lead_id": row.lead_id,
        "business_unit": business_unit,
        "name": row.data.get("name", row.data["kind"]),
        **{name: row.data.get(name) for name in fields},
        "status": "open",
        "due_at": _time(row.data["due_at"]),
        "missed_at": None,
        "closed_at": None,
        "outcome": None,
    }


def _time(said: Any) -> datetime | None:
    return datetime.fromisoformat(said) if isinstance(said, str) else said
