"""Visitors are told of, each once a day and place, whether anybody knows them or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.pipeline import forgetting
from services.pipeline.forgetting import Forgetting
from shared.contracts.visit_events import VisitorForgotten, VisitorSeen, visitor_of
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.erasing import erase
from tests.unit.pipeline.builders import a_lead, an_interaction, at


def seen(pipeline: Pipeline) -> list[tuple[str, str | None]]:
    return [(one.occurred_at.isoformat(), one.source) for one in pipeline.visits if isinstance(one, VisitorSeen)]


async def test_a_visitor_is_told_of_once_a_day_and_place_and_makes_no_lead(pipeline: Pipeline) -> None:
    views = [an_interaction(visitor="v1", source="search", occurred_at=at(minutes)) for minutes in (0, 5, 9)]
    await pipeline.take(*views)
    await pipeline.take(an_interaction(visitor="v1", source="search", occurred_at=at(7)), *views)
    await pipeline.take(an_interaction(visitor="v1", source="letters", occurred_at=at(20)))
    await pipeline.take(an_interaction(visitor="v2", source="search", occurred_at=at(24 * 60)))
    assert seen(pipeline) == [
        (at(0).isoformat(), "search"), (at(20).isoformat(), "letters"), (at(24 * 60).isoformat(), "search")
    ]  # fmt: skip
    assert len({one.lead_id for one in pipeline.visits}) == 2
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.leads")).n == 0


async def test_an_earlier_moment_of_the_day_is_told_when_it_is_learned(pipeline: Pipeline) -> None:
    late, early = (an_interaction(visitor="v", occurred_at=at(minutes)) for minutes in (60, 10))
    await pipeline.take(late)
    await pipeline.take(early)
    await pipeline.take(late, early)
    assert [one for one, _ in seen(pipeline)] == [at(60).isoformat(), at(10).isoformat()]
    assert len({one.event_id for one in pipeline.visits}) == 2


async def test_who_left_their_name_is_a_visitor_too_and_no_test_or_machine_is(pipeline: Pipeline) -> None:
    lead = a_lead(email="ada@example.com", visitor="v", occurred_at=at(0))
    await pipeline.take(lead, an_interaction(visitor="bot", flags=("bot",)))
    await pipeline.take(a_lead(email="x@example.com", visitor="t", mark="test"), a_lead(email="b@example.com"))
    (one,) = pipeline.visits
    (token,) = (identity.token for identity in lead.identities if identity.kind == "visitor")
    assert one.lead_id == visitor_of(token)
    assert one.lead_id != lead.lead_id


async def test_who_takes_back_what_a_visitor_did_was_not_there(pipeline: Pipeline) -> None:
    view = an_interaction(visitor="v", source="search", occurred_at=at(0))
    await pipeline.take(view)
    await pipeline.take(an_interaction(visitor="v", kind="retraction", retracts=view.event_id, occurred_at=at(60 * 48)))
    assert seen(pipeline) == [(at(0).isoformat(), "search")]


async def test_a_visitor_of_whom_nothing_else_is_kept_is_shown_their_visits(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    await pipeline.take(an_interaction(visitor="v", source="search", occurred_at=at(0)))
    async with pipeline.database.transaction() as tx:
        for table in ("waiting_identities", "waiting"):
            await tx.execute(f"DELETE FROM pipeline.{table}")
    who = {"visitor_id": "v"}
    assert (await http.post("/v1/people:find", json=who)).json()["held"]["visits"] == 1
    shown = await http.post("/v1/people:export", json=who, headers={"Leadflow-Actor": "kim"})
    assert shown.status_code == 200, shown.text
    assert [(one["day"], one["source"]) for one in shown.json()["visits"]] == [(str(at(0).date()), "search")]


@pytest.mark.parametrize("is_lead", [True, False], ids=["of a lead", "of nobody yet"])
async def test_a_visitor_who_left_an_address_with_an_interaction_is_found_and_forgotten_by_it(
    pipeline: Pipeline, http: httpx.AsyncClient, is_lead: bool
) -> None:
    both = an_interaction("ann@x.example", visitor="v", source="search", occurred_at=at(0))
    another = an_interaction("bob@x.example", visitor="w", occurred_at=at(0))
    await pipeline.take(*([a_lead("ann@x.example", occurred_at=at(-5))] if is_lead else []), both, another)
    (told,) = [one for one in pipeline.visits if one.source == "search"]
    who = {"email": "ann@x.example"}
    shown = (await http.post("/v1/people:export", json=who, headers={"Leadflow-Actor": "kim"})).json()
    assert [one["visitor"] for one in shown["visits"]] == [str(told.lead_id)]
    assert shown["held"]["visits"] == 1
    await erase(http, **who)
    (left,) = await pipeline.database.rows("SELECT visitor FROM pipeline.visits")
    assert left.visitor != told.lead_id
    forgotten = {one.lead_id for one in await pipeline.told_of_visits() if isinstance(one, VisitorForgotten)}
    assert told.lead_id in forgotten
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.visitor_leads")).n == 0


async def test_a_visitor_whom_nobody_knew_is_whoever_their_address_turns_out_to_be(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    """The interaction waited for its lead; whoever is taken up is a visitor all the same."""
    lead = a_lead("ann@x.example", occurred_at=at(5))
    await pipeline.take(an_interaction("ann@x.example", visitor="v", occurred_at=at(0)))
    await pipeline.take(lead)
    (row,) = await pipeline.database.rows("SELECT visitor, lead_id FROM pipeline.visitor_leads")
    assert (row.visitor, row.lead_id) == (pipeline.visits[0].lead_id, lead.lead_id)


async def test_an_erased_visitor_is_nobody_and_a_visit_told_before_that_is_not_told_again(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    view = an_interaction(visitor="v", occurred_at=at(0))
    await pipeline.take(view)
    (told,) = pipeline.visits
    await erase(http, visitor_id="v")
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.visits")).n == 0
    forgotten = [one for one in await pipeline.told_of_visits() if isinstance(one, VisitorForgotten)]
    assert told.lead_id in {one.lead_id for one in forgotten}
    await pipeline.take(view)
    await pipeline.take(an_interaction(visitor="v", occurred_at=at(3), recorded_at=view.recorded_at))
    assert len(seen(pipeline)) == 1, "what was recorded before stays as it was told"
    now = forgotten[0].until + timedelta(minutes=1)
    await pipeline.take(an_interaction(visitor="v", occurred_at=now, recorded_at=now))
    assert len(seen(pipeline)) == 2, "who comes back afterwards is somebody"


async def test_a_visitor_is_told_of_however_many_letters_say_how_they_came(pipeline: Pipeline) -> None:
    letters = [chr(0x4E00 + place * 37 % 20_000) for place in range(1000)]
    source, campaign = "".join(letters[:500]), "".join(letters[500:])
    view = an_interaction(visitor="v", source=source, campaign=campaign, occurred_at=at(0))
    await pipeline.take(view)
    await pipeline.take(an_interaction(visitor="v", source=source, campaign=campaign[:-1], occurred_at=at(5)), view)
    assert [(one.source, one.campaign) for one in pipeline.visits] == [(source, campaign), (source, campaign[:-1])]


async def test_visits_of_long_ago_are_let_go_a_few_at_a_time(
    pipeline: Pipeline, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose they were is found by their address all the same, and forgotten where metrics has them."""
    monkeypatch.setattr(forgetting, "AT_ONCE", 2)
    now = datetime.now(UTC)
    long_ago, lately = now - timedelta(days=62), now - timedelta(days=50)
    views = [an_interaction(visitor=f"v{place}", occurred_at=long_ago) for place in range(5)]
    known = [an_interaction("ann@x.example", visitor=f"v{place}", occurred_at=long_ago) for place in range(3)]
    await pipeline.take(a_lead("ann@x.example"), *known)
    await pipeline.take(*views, an_interaction("ann@x.example", visitor="w", occurred_at=lately))
    days = timedelta(days=7)
    sweep = Forgetting(pipeline.database, pipeline.handlers.fingerprint, waiting=days, letters=days, commands=days)
    await sweep.once()
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.visits")).n == 1
    told = {one.lead_id for one in pipeline.visits if isinstance(one, VisitorSeen)}
    hers = {row.visitor for row in await pipeline.database.rows("SELECT visitor FROM pipeline.visitor_leads")}
    assert len(hers) == 4
    assert hers <= told
    await erase(http, email="ann@x.example")
    forgotten = {one.lead_id for one in await pipeline.told_of_visits() if isinstance(one, VisitorForgotten)}
    assert forgotten >= hers
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.visitor_leads")).n == 0
