"""Real histories as facts: their files read by their mappings, as the command line would send them and pipeline would tell of them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid5

import pytest

from services.metrics.domain.facts import Fact
from shared.tabular.converting import converter
from shared.tabular.mapping_file import read_mapping
from shared.tabular.plain import Shape
from shared.tabular.preparing import needs_preparing, prepare
from shared.tabular.source import SourceFile
from tests.integration.metrics.harness import Metrics

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
IDS = UUID("3b0c5c3e-55fb-5f5e-9d3b-5a8a5f1b9a01")
HOUR, DAY = 3_600.0, 86_400.0
EVENTS = {
    "lead_created": "LeadCreated", "interaction": "LeadTouched", "assigned": "LeadAssigned", "contact_attempted": "ContactAttempted",
    "opportunity_opened": "OpportunityOpened", "stage_changed": "StageChanged", "won": "OpportunityWon", "lost": "OpportunityLost",
    "order_placed": "OrderPlaced",
}  # fmt: skip
TOLD = (
    "opportunity_id", "order_id", "stage", "reason", "amount", "currency", "owner", "team", "product", "kind", "channel", "source",
    "campaign",
)  # fmt: skip

real_data = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not DATA.exists(), reason="the real data is not here: ../shared/data is absent"),
]


def truth(folder: str) -> dict[str, Any]:
    """The figures that were computed outside."""
    found: dict[str, Any] = json.loads((DATA / folder / "ground_truth.json").read_text())
    return found


def rows(file: Path, mapping: Path) -> list[dict[str, Any]]:
    """What the command line would send of a file."""
    with TemporaryDirectory() as folder, _opened(file, Path(folder)) as source:
        convert = converter(source, Shape("history"), read_mapping(mapping, "history"), called=mapping.name)
        made = [each for row in source.rows() for each in convert(row)]
    assert all(each.fault is None for each in made)
    return [dict(each.document or {}) for each in made]


def _opened(file: Path, folder: Path) -> SourceFile:
    return prepare(file, folder / "rows").open() if needs_preparing(file) else SourceFile(file)


def facts_of(told: Iterable[dict[str, Any]], *, in_order: bool = False) -> list[Fact]:
    """Rows as the facts that pipeline makes of them, each lead's in no order at all, or all as they are told."""
    facts = []
    for number, row in enumerate(told, 1):
        lead = uuid5(IDS, f"{row['business_unit']} {row['external_id']}")
        at = datetime.fromisoformat(str(row["occurred_at"]))
        data = {name: str(row[name]) for name in TOLD if row.get(name) is not None}
        if row["event"] == "lost":
            data.setdefault("reason", "unknown")
        fact = Fact(
            lead, uuid5(lead, str(number)), number, EVENTS[row["event"]], at, at, None, row["business_unit"], data
        )
        facts.append(fact)
    if in_order:
        return facts
    chance, places = Random(7), dict[UUID, float]()
    chance.shuffle(facts)
    facts.sort(key=lambda fact: places.setdefault(fact.lead_id, chance.random()))
    return facts


def close(expected: float) -> Any:
    """KPIS.md, rule 11: the larger of 1 % and half of the last digit given."""
    return pytest.approx(expected, rel=0.01, abs=1e-4)


def assert_spread(answer: dict[str, Any], expected: dict[str, Any], unit_seconds: float) -> None:
    """How many they are, their mean and every quantile that an answer has."""
    assert answer["n"] == expected["n"]
    assert answer["mean"] / unit_seconds == close(expected["mean"])
    assert answer["value"] / unit_seconds == close(expected["median"])
    for name in ("p75", "p90", "p95"):
        assert answer["quantiles"][name] / unit_seconds == close(expected[name]), name


async def assert_behind(
    metrics: Metrics, kpi: str, expected: dict[str, Any], unit_seconds: float, **asked: Any
) -> None:
    """What no answer has, from the leads behind it: the least and the most, further quantiles, how far they spread."""
    lines = [one for lead in await metrics.leads(kpi, **asked, limit=1000) for one in lead["counted"]]
    values = [one["seconds"] / unit_seconds for one in lines if one.get("seconds") is not None]
    hundredths = statistics.quantiles(values, n=100, method="inclusive")
    found = {
        "n": len(values), "mean": statistics.fmean(values), "std_sample": statistics.stdev(values), "min": min(values),
        "p25": hundredths[24], "median": hundredths[49], "p75": hundredths[74], "p90": hundredths[89], "p95": hundredths[94],
        "p99": hundredths[98], "max": max(values),
    }  # fmt: skip
    assert found == {name: pytest.approx(value, rel=1e-4, abs=1e-4) for name, value in expected.items()}
