"""What was done with a lead, who tried to reach it, and which promises to answer were kept, a second time, straight from the facts."""

from __future__ import annotations

from datetime import datetime

from services.metrics.domain.facts import Fact


def attempts_of(story: list[Fact]) -> list[Fact]:
    """Outbound contacts."""
    return [f for f in activities_of(story) if f.event == "ContactAttempted" and f.data.get("outbound", True)]


def activities_of(story: list[Fact]) -> list[Fact]:
    """Notes and contacts of both directions; a message once, from when it was decided on, and not at all where it was withdrawn."""
    made = [f for f in story if f.event in ("ContactAttempted", "NoteAdded")]
    withdrawn = {
        f.data["message_id"] for f in made if f.data.get("outcome") == "withdrawn" and f.data.get("message_id")
    }
    found, seen = [], set[str]()
    for fact in made:
        message = fact.data.get("message_id")
        if message and (fact.data.get("outcome") or message in withdrawn | seen):
            continue
        seen |= {message} if message else set()
        found.append(fact)
    return found


def kind_of(activity: Fact) -> str:
    """What kind of activity it was."""
    return "note" if activity.event == "NoteAdded" else str(activity.data["kind"])


def doer_of(activity: Fact) -> str | None:
    """Who did it, where that is said."""
    return activity.data.get("actor") if activity.event == "NoteAdded" else activity.data.get("owner")


def answers_of(story: list[Fact]) -> list[tuple[str, datetime]]:
    """Each promise to answer, decided by the first thing that can: missed, or done, in time or not."""
    found = []
    tasks = {fact.data["task_id"] for fact in story if fact.event.startswith("FollowUp")}
    for task in tasks:
        due: datetime | None = None
        for fact in story:
            if fact.data.get("task_id") != task:
                continue
            if fact.event == "FollowUpScheduled":
                due = datetime.fromisoformat(fact.data["due_at"])
                continue
            if fact.event == "FollowUpMissed":
                found.append(("breached", fact.occurred_at))
            elif due is not None and fact.occurred_at > due:
                found.append(("breached", due))
            else:
                found.append(("met", fact.occurred_at))
            break
    return found
