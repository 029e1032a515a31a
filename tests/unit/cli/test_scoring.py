"""What the command line says of a score, and how it follows a rescore."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import orjson
from rich.console import Console

from shared.cli.scoring import backtesting
from shared.cli.scoring.backtesting import SUMS, add_up
from shared.cli.scoring.explaining import shown
from shared.cli.scoring.models import show_registry, show_whole
from shared.cli.scoring.rescoring import follow
from shared.cli.scoring.training import show as show_results
from tests.unit.cli.fake_service import FakeService


def a_score(score: int, grade: str) -> dict[str, Any]:
    return {"score": score, "grade": grade, "rating": "C3", "temperature": "warm", "fit": 20, "engagement": score - 20}


ENTRY = {
    "occurred_at": "2026-03-02T12:00:00Z",
    "kind": "page_view",
    "value": "/pricing",
    "points": 4,
    "points_now": "2",
    "counts": True,
    "why_not": None,
}
FOUND = {
    "as_of": "2026-03-12T12:00:00Z",
    "policy_version": "2026-11",
    "score": a_score(22, "C"),
    "segments": ["near"],
    "variant": None,
    "lines": [
        {"points": 20, "rule": "decides", "because": "job_title is Chief", "entries": []},
        {
            "points": 2,
            "rule": "visited a page",
            "because": "2 times, 1 of them count",
            "entries": [ENTRY, {**ENTRY, "counts": False, "why_not": "beyond the 1 that count"}],
        },
    ],
    "bounds": [],
    "better": [{"rule": "asked for a demo", "score": a_score(47, "B")}],
    "changes": [{"at": "2026-04-01T00:00:00Z", "score": a_score(20, "D")}],
    "told": {"score": 24, "grade": "C", "occurred_at": "2026-03-02T12:00:00Z", "stale": True},
}


def read(found: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=200)
    for part in shown(found):
        console.print(part, soft_wrap=True)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_an_explanation_reads_as_sentences() -> None:
    text = read(FOUND)
    for expected in (
        "22 points: grade C, C3, warm as of 2026-03-12 12:00 by policy 2026-11",
        "2026-03-02 12:00 page_view /pricing: 2.00 of 4 left",
        "beyond the 1 that count",
        "Would make it 47, grade B, C3: asked for a demo",
        "On 2026-04-01 00:00 it becomes 20, grade D, C3, if nothing happens before",
        "Told last: 24, grade C, as of 2026-03-02 12:00 by another policy.",
    ):
        assert expected in text


def a_model(version: str, probability: float, words: str) -> dict[str, Any]:
    base = {"feature": "base", "words": "how leads like these usually end", "log_odds": -2.0}
    return {
        "probability": probability,
        "model_version": version,
        "contributions": [base, {"feature": "channel", "words": words, "log_odds": 0.5}],
    }


def test_what_either_model_says_is_read_with_its_reasons() -> None:
    text = read(
        FOUND | {"model": a_model("o-1", 0.18, "came by phone"), "customer": a_model("c-1", 0.07, "works as chief")}
    )
    for expected in (
        "18.0% likely to become an opportunity, says o-1",
        "7.0% likely to become a customer, says c-1",
        "came by phone",
        "works as chief",
        "1.65",
        "-1.5000",
    ):
        assert expected in text


def test_why_no_model_says_anything_is_read_once_and_why_one_does_not_for_itself() -> None:
    text = read(
        FOUND | {"model": None, "without_model": "none_active", "customer": None, "without_customer": "none_active"}
    )
    assert "Rules alone: no model was activated" in text
    assert "nobody says" not in text
    spoken = {"model": a_model("o-1", 0.18, "came by phone"), "without_model": None}
    text = read(FOUND | spoken | {"customer": None, "without_customer": "too_little_data"})
    assert "How likely it becomes a customer nobody says: there is too little data to learn a model from." in text


async def test_a_rescore_is_followed_until_it_is_over() -> None:
    asked = {"id": "1", "status": "running", "done": 0, "leads": 4}
    service = FakeService((200, {**asked, "done": 2}), (200, {**asked, "done": 4, "status": "finished"}))
    seen: list[int] = []
    async with service.client("scoring") as client:
        done = await follow(client, asked, seen.append)
    assert (done["status"], seen) == ("finished", [2, 4])


A_WEEK = {"leads": 4, "before": {"A": 1, "B": 3}, "after": {"A": 4}, "qualify_before": 1, "qualify_after": 4}


async def test_a_backtest_adds_up_its_pages_as_of_one_moment() -> None:
    page = {
        **dict.fromkeys(SUMS, 2),
        "grades": {"A → B": 2},
        "scores_before": {"60": 2},
        "scores_after": {"40": 2},
        "movers": [{"lead_id": "1", "before": 65, "after": 45}],
        "weeks": dict.fromkeys(("2026-03-02", "2026-03-09", "2026-03-16"), A_WEEK),
        "ended_before": {"scores": {"60": [1, 0], "20": [1, 1]}, "grades": {"A": [1, 0], "C": [1, 1]}},
        "ended_after": {"scores": {"40": [1, 0], "50": [1, 1]}, "grades": {"B": [2, 1]}},
        "as_of": "2026-03-12T12:00:00Z",
    }
    service = FakeService((200, {**page, "next": "5"}), (200, {**page, "next": None}))
    async with service.client("scoring") as client:
        found = await add_up(client, {"version": "1"}, None)
    assert (found["leads"], found["grades"], found["scores_after"]) == (4, {"A → B": 4}, {"40": 4})
    asked = [orjson.loads(request.content) for request in service.requests]
    assert [(one["as_of"], one["after"]) for one in asked] == [(None, None), ("2026-03-12T12:00:00Z", "5")]
    assert found["weeks"]["2026-03-09"]["after"] == {"A": 8}
    assert (found["quality_before"]["auc"], found["quality_after"]["auc"]) == (0.0, 1.0)
    console = Console(file=io.StringIO(), width=200)
    for part in backtesting.shown(found):
        console.print(part)
    text = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    for expected in (
        "In each of 1 whole weeks, leads as they were 1 days after they came in:",
        "A 2.0 8.0 2 8",
        "qualify 2.0 8.0 2 8",
        "4 leads whose horizon is over; 2 became an opportunity:",
        "lift of the best tenth 0.000 2.000",
        "of B – 50.0% of 4",
    ):
        assert expected in text, text


FIGURES = {"auc": 0.81, "log_loss": 0.5, "brier": 0.17, "ece": 0.02, "lift": 2.5}
MODEL = {
    "version": "opportunity-all-1",
    "business_unit": "",
    "outcome": "opportunity",
    "status": "active",
    "verdict": "better than the average",
    "data_from": "2026-01-01T00:00:00Z",
    "data_to": "2026-03-01T00:00:00Z",
    "examples": 4000,
    "positives": 900,
    "horizon_days": 90,
    "trained_at": "2026-06-01T02:00:00Z",
    "trained_by": "the schedule",
    "features": [{"name": "channel", "kind": "category", "strength": 0.7}],
    "metrics": {
        **FIGURES,
        "beside": {**FIGURES, "auc": 0.5},
        "drift": {"channel": 0.31, "country": 0.02},
        "deciles": [{"leads": 100, "expected": 0.71, "observed": 0.69, "lift": 2.5}],
    },
    "usable": False,
    "why_not": "its checksum is another",
    "decisions": [
        {
            "at": "2026-06-02T02:00:00Z",
            "by": "ada",
            "kind": "rolled_back",
            "version": "opportunity-all-1",
            "replaced": "opportunity-all-2",
            "reason": "sales disagreed",
        }
    ],
}
TOO_LITTLE = {
    "at": "2026-06-01T02:00:00Z",
    "business_unit": "europe",
    "outcome": "customer",
    "words": "rules alone speak: of leads of europe, 3 became customers",
}


def told(show: Callable[[Console], None]) -> str:
    console = Console(file=io.StringIO(), width=200)
    show(console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_a_model_reads_as_how_good_it_is_and_who_decided_what() -> None:
    text = told(lambda console: show_whole(MODEL, console))
    for expected in (
        "opportunity-all-1 is active: opportunity of all units",
        "From 4,000 examples of 2026-01-01 to 2026-03-01, 900 of which became one within 90 days",
        "It cannot be used: its checksum is another.",
        "0.8100",
        "0.710",
        "Later leads look other than those it was learned from: channel 0.31.",
        "2026-06-02T02:00 ada: opportunity-all-1, back again, speaks in the place of opportunity-all-2: sales disagreed",
    ):
        assert expected in text


def test_the_registry_says_what_speaks_and_why_nothing_does() -> None:
    text = told(lambda console: show_registry({"models": [MODEL], "trainings": []}, console))
    assert "opportunity-all-1" in text
    assert "No model speaks" not in text
    text = told(lambda console: show_registry({"models": [], "trainings": [TOO_LITTLE]}, console))
    assert "No model speaks: rules alone do." in text
    assert "europe, customer: rules alone speak: of leads of europe, 3 became customers." in text


def test_a_training_reads_as_what_was_found() -> None:
    learned = {**TOO_LITTLE, "found": "too_little", "metrics": None, "version": None}
    better = {**MODEL, "found": "activated", "words": "better than the average"}
    text = told(lambda console: show_results([learned, better], console))
    assert "too little" in text
    assert "all, opportunity: opportunity-all-1: better than the average." in text
