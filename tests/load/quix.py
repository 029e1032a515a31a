"""What scoring is held against: an application on Quix Streams with the same rules, and its state of each lead where that
library keeps state. It decodes JSON into dictionaries and validates nothing, as is usual there.

Run by the environment of the bench, since the library needs other versions than ours:
`PYTHON -m tests.load.quix BOOTSTRAP TOPIC RECORDS WARM_UP FOLDER` prints one line of JSON when all records are done.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from services.scoring.domain import Rulebook, Touch
from shared.contracts.policy import Policy
from shared.kit.documents import read_yaml

OUTPUT = "bench.quix.scores"


def touch_of(event: dict[str, Any]) -> dict[str, Any]:
    """What the state keeps of an event: the same as scoring's ledger."""
    kept: dict[str, Any] = {
        "lead_id": event["lead_id"],
        "event_id": event["event_id"],
        "occurred_at": event["occurred_at"],
        "channel": event["channel"],
    }
    if event["event"] == "InteractionRecorded":
        return {**kept, "kind": event["kind"]}
    kinds = {identity["kind"] for identity in event.get("identities", ())}
    kept.update(email="email" in kinds, phone="phone" in kinds, company=bool(event.get("company")))
    for name in ("job_title", "country", "language", "source", "product", "campaign"):
        if event.get(name):
            kept[name] = event[name]
    return kept


def touch(kept: dict[str, Any]) -> Touch:
    """The same as the rules want it."""
    return Touch(
        **{
            **kept,
            "lead_id": UUID(kept["lead_id"]),
            "event_id": UUID(kept["event_id"]),
            "occurred_at": datetime.fromisoformat(kept["occurred_at"]),
        }
    )


def step(rulebooks: dict[str, Rulebook], policy: Policy) -> Callable[[dict[str, Any], Any], list[dict[str, Any]]]:
    """One record into the state of its lead, and out comes its new score where that changed."""

    def score(event: dict[str, Any], state: Any) -> list[dict[str, Any]]:
        touches = state.get("touches", [])
        if any(one["event_id"] == event["event_id"] for one in touches):
            return []
        touches.append(touch_of(event))
        state.set("touches", touches)
        if not any("kind" not in one for one in touches):
            return []
        unit = event["business_unit"]
        rulebook = rulebooks.get(unit)
        if rulebook is None:
            rulebook = rulebooks[unit] = Rulebook(policy.unit(unit).scoring)
        verdict = rulebook.score(map(touch, touches))
        scored = {
            "score": verdict.score,
            "grade": verdict.grade,
            "fit": verdict.fit,
            "engagement": verdict.engagement,
            "reasons": [{"rule": one.rule, "points": one.points, "group": one.group} for one in verdict.reasons],
        }
        if state.get("scored") == scored:
            return []
        state.set("scored", scored)
        return [
            {
                "event": "LeadScored",
                "lead_id": event["lead_id"],
                "business_unit": unit,
                "occurred_at": max(one["occurred_at"] for one in touches),
                "causation_id": event["event_id"],
                "policy_version": policy.version,
                **scored,
            }
        ]

    return score


def main() -> None:
    """Reads, scores, writes; says what the processor spent on all records after the first `WARM_UP`."""
    from quixstreams import Application

    bootstrap, topic, records, warm_up, folder = sys.argv[1:]
    policy = read_yaml(Path("policy.yaml"), Policy)
    application = Application(
        broker_address=bootstrap,
        consumer_group="bench-quix",
        auto_offset_reset="earliest",
        state_dir=folder,
        loglevel="WARNING",
    )
    seen = 0
    began = (0.0, 0.0)

    def count(scores: list[dict[str, Any]]) -> None:
        nonlocal seen, began
        seen += 1
        if seen == int(warm_up):
            began = time.process_time(), time.perf_counter()
        elif seen == int(records):
            application.stop()

    stream = application.dataframe(application.topic(topic, value_deserializer="json"))
    stream = stream.apply(step({}, policy), stateful=True, expand=False)
    stream.update(count)
    stream.apply(lambda scores: scores, expand=True).to_topic(
        application.topic(OUTPUT, key_serializer="bytes", value_serializer="json")
    )
    application.run()
    # Its end writes the last checkpoint, the state with it: that is part of the work.
    spent = time.process_time() - began[0], time.perf_counter() - began[1]
    print(json.dumps({"records": seen - int(warm_up), "processor": spent[0], "wall": spent[1]}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
