"""A person is forgotten: all of it, at once, for good, whatever is read again; and what happened stays counted."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared.contracts.envelope import Event
from shared.contracts.lifecycle_events import LeadMerged, LeadTouched, PersonalDataErased
from shared.kit.database import Transaction
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.erasing import ANN, SECRETS, erase, just_now, person, says_nothing
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_stream import names
from tests.support.tables import tables_saying
from tests.unit.pipeline.builders import a_lead, an_interaction, at


async def test_everything_of_a_person_goes_and_everything_that_happened_stays(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    phone = a_lead(phone="+31612345678", **ANN, **just_now())
    both = a_lead("ann@x.example", phone="+31612345678", visitor="v1", **ANN, **just_now())
    visit = an_interaction(visitor="v1", **just_now())
    await pipeline.take(visit, phone, both, an_interaction("ann@x.example", occurred_at=at(3), **just_now()))
    root = (await pipeline.lead(both.lead_id)).root_id
    await do(http, f"/v1/leads/{root}:archive", {"reason": "other", "note": "likes tea"})
    before = await pipeline.one("SELECT count(*) AS n FROM pipeline.history")
    assert await tables_saying(pipeline.database, "pipeline", SECRETS) != {}
    done = await erase(http, email="Ann@X.example")
    assert sorted(done["lead_ids"]) == sorted(str(one.lead_id) for one in (phone, both))
    assert str(visit.lead_id) in done["names"]["lead_ids"]
    assert done["erased"] == {"leads": 2, "notes_and_proofs": 3, "waiting": 0, "dead_letters": 0}
    assert done["held"] == {
        "leads": 0,
        "notes_and_proofs": 0,
        "waiting": 0,
        "dead_letters": 0,
        "visits": 0,
        "contacts": 0,
    }
    await says_nothing(pipeline)
    after = await pipeline.one("SELECT count(*) AS n FROM pipeline.history")
    assert after.n == before.n + 2
    told = [event for event in await pipeline.published() if isinstance(event, PersonalDataErased)]
    assert {event.lead_id for event in told} == {phone.lead_id, both.lead_id}
    (order,) = await pipeline.ordered()
    assert (order.actor, order.reason, order.until.isoformat()) == ("kim", "request 17", done["until"])
    assert not any(secret.encode() in order.to_json() for secret in SECRETS)


@pytest.mark.parametrize(
    "who",
    [{"phone": "+31 (0)612 345 678"}, {"visitor_id": "v1"}, {"email": "ann@x.example"}],
    ids=["phone", "visitor", "e-mail"],
)
async def test_whatever_recognises_a_person_finds_all_of_them(
    pipeline: Pipeline, http: httpx.AsyncClient, who: dict[str, str]
) -> None:
    one = a_lead(phone="+31612345678", **ANN, **just_now())
    other = a_lead("ann@x.example", phone="+31612345678", visitor="v1", **ANN, **just_now())
    await pipeline.take(one, other)
    found = (await http.post("/v1/people:find", json=who)).json()
    assert sorted(found["lead_ids"]) == sorted(str(lead.lead_id) for lead in (one, other))
    assert found["held"] == {
        "leads": 2,
        "notes_and_proofs": 2,
        "waiting": 0,
        "dead_letters": 0,
        "visits": 1,
        "contacts": 0,
    }
    assert (await person(pipeline, one))["name"] == "Ann Secret"
    await erase(http, **who)
    await says_nothing(pipeline)


@pytest.mark.parametrize("spelled", ["ann@xn--mnchen-3ya.de", "Ann+news@MÜNCHEN.de", "ann@mu\u0308nchen.de"])
async def test_an_address_is_read_as_it_was_when_it_came_in(
    pipeline: Pipeline, http: httpx.AsyncClient, spelled: str
) -> None:
    lead = a_lead("ann@münchen.de", **ANN, **just_now())
    await pipeline.take(lead)
    found = (await http.post("/v1/people:find", json={"email": spelled})).json()
    assert found["lead_ids"] == [str(lead.lead_id)]
    listed = await http.get("/v1/leads", params={"email": spelled})
    assert [one["lead_id"] for one in listed.json()["items"]] == [str(lead.lead_id)]


@pytest.mark.parametrize("merged", [True, False], ids=["the winner", "the loser"])
async def test_either_id_of_a_merge_finds_the_person(pipeline: Pipeline, http: httpx.AsyncClient, merged: bool) -> None:
    one = a_lead(phone="+31612345678", **ANN, **just_now())
    other = a_lead("ann@x.example", phone="+31612345678", **ANN, **just_now())
    await pipeline.take(one, other)
    done = await erase(http, lead_id=str((one if merged else other).lead_id))
    assert len(done["lead_ids"]) == 2
    await says_nothing(pipeline)


async def test_a_person_who_was_taken_apart_from_another_is_erased_alone(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    bob = a_lead("bob@y.example", phone="+31612345678", name="Bob", **just_now())
    ann = a_lead("ann@x.example", phone="+31612345678", **ANN, **just_now())
    await pipeline.take(bob, ann)
    (loser,) = [event.lead_id for event in await pipeline.published() if isinstance(event, LeadMerged)]
    await do(http, f"/v1/leads/{loser}:unmerge", {})
    await erase(http, lead_id=str(bob.lead_id))
    assert await person(pipeline, bob) == {}
    assert (await person(pipeline, ann))["name"] == "Ann Secret"
    await pipeline.take(a_lead("ann@x.example", phone="+31612345678", name="Ann S.", recorded_at=at(0)))
    assert (await person(pipeline, ann))["name"] != ""
    assert pipeline.orders == []


async def test_what_was_under_way_when_its_person_was_erased_counts_and_says_nothing(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    first = a_lead("ann@x.example", **ANN, **just_now())
    late = a_lead("ann@x.example", **ANN, occurred_at=at(9), **just_now())
    await pipeline.take(first)
    await erase(http, email="ann@x.example")
    told = await pipeline.take(late)
    assert names(told) == ["LeadTouched", "ConsentChanged"]
    await says_nothing(pipeline)
    assert pipeline.orders == []


async def test_somebody_whom_nobody_knows_yet_is_erased_before_they_arrive(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    under_way = a_lead("ann@x.example", phone="+31612345678", **ANN, **just_now())
    done = await erase(http, email="ann@x.example")
    assert done["lead_ids"] == []
    assert names(await pipeline.take(under_way)) == ["LeadCreated", "PersonalDataErased", "ConsentChanged"]
    await says_nothing(pipeline)


@pytest.mark.parametrize("who", [{"email": "ann@x.example"}, {"visitor_id": "v1"}], ids=["e-mail", "visitor"])
async def test_who_only_ever_visited_is_erased_under_the_id_of_the_visit(
    pipeline: Pipeline, http: httpx.AsyncClient, who: dict[str, str]
) -> None:
    """No lead, so nothing but the order tells scoring under which id it keeps what they did."""
    visit = an_interaction("ann@x.example", visitor="v1", **just_now())
    await pipeline.take(visit)
    done = await erase(http, **who)
    assert (done["lead_ids"], str(visit.lead_id) in done["names"]["lead_ids"]) == ([], True)
    (order,) = await pipeline.ordered()
    assert visit.lead_id in order.lead_ids
    await pipeline.take(order)
    assert len(await pipeline.ordered()) == 1


async def test_what_an_interaction_was_about_stands_on_the_page_and_never_travels(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    """It is the sender's text, and on the log of what happened nothing can be erased."""
    lead = a_lead("ann@x.example", **just_now())
    said, late = [an_interaction("ann@x.example", value="likes tea", **just_now()) for _ in range(2)]
    await pipeline.take(lead, said)
    row = {"external_id": "c1", "event": "interaction", "occurred_at": "2026-01-01", "value": "likes tea"}
    answer = await http.post("/v1/history:batch", json={"sender": "import", "rows": [row]})
    assert answer.status_code == 200, answer.text
    assert not any(b"likes tea" in event.to_json() for event in await pipeline.published())
    shown = (await http.get(f"/v1/leads/{lead.lead_id}/history")).json()
    assert [fact["value"] for fact in shown["events"] if "value" in fact] == ["likes tea"]
    done = await erase(http, email="ann@x.example")
    assert done["erased"]["notes_and_proofs"] == 1
    await pipeline.take(late)
    await erase(http, external_id="c1")
    await says_nothing(pipeline)


async def test_an_id_that_is_somebody_elses_by_now_is_not_erased_with_the_number_it_was_made_of(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    number = a_lead(phone="+31612345678", name="Bob", **just_now())
    both = a_lead("ann@x.example", phone="+31612345678", **ANN, **just_now())
    await pipeline.take(both)
    await pipeline.take(number)
    (merge,) = [event for event in await pipeline.published() if isinstance(event, LeadMerged)]
    await do(http, f"/v1/leads/{merge.lead_id}:unmerge", {})
    done = await erase(http, lead_id=str(both.lead_id))
    assert str(number.lead_id) not in done["names"]["lead_ids"]
    assert (await person(pipeline, number))["name"] == "Bob"


async def test_more_names_of_an_erased_person_are_erased_as_they_become_known(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    """The link between two ids was under way when one of them was erased: had pipeline been faster, both had been."""
    number = a_lead(phone="+31612345678", **ANN, **just_now())
    mail = a_lead("ann@x.example", **ANN, **just_now())
    link = a_lead("ann@x.example", phone="+31612345678", **ANN, **just_now())
    await pipeline.take(number, mail)
    await erase(http, email="ann@x.example")
    assert (await person(pipeline, number))["name"] == "Ann Secret"
    await pipeline.take(link)
    (order,) = pipeline.orders
    assert number.lead_id in order.lead_ids
    await pipeline.take(order)
    await says_nothing(pipeline)
    final = await pipeline.ordered()
    await pipeline.take(*final)  # nothing more is ordered: it ends
    assert len(await pipeline.ordered()) == len(final)


async def test_an_erased_person_who_returns_is_the_same_lead_with_only_what_they_say_now(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    await pipeline.take(a_lead("ann@x.example", **ANN, **just_now()))
    await erase(http, email="ann@x.example")
    (order,) = await pipeline.ordered()
    back = a_lead("ann@x.example", channel="chat", **just_now())
    (touched,) = await pipeline.take(back)
    assert isinstance(touched, LeadTouched)
    assert await person(pipeline, back) == {"email": "ann@x.example"}
    await pipeline.take(order)
    assert await person(pipeline, back) == {"email": "ann@x.example"}, "an old order took what was said since"
    again = await erase(http, email="ann@x.example")
    assert again["erased"]["leads"] == 1
    assert await person(pipeline, back) == {}


@pytest.mark.parametrize("order_first", [True, False], ids=["the order first", "the order last"])
async def test_a_database_that_knows_nothing_of_an_erasure_learns_it_from_the_log(
    pipeline: Pipeline, http: httpx.AsyncClient, order_first: bool
) -> None:
    said: list[Event] = [
        a_lead(phone="+31612345678", **ANN, **just_now()),
        a_lead("ann@x.example", phone="+31612345678", **ANN, **just_now()),
        an_interaction("ann@x.example", occurred_at=at(3), **just_now()),
    ]
    await pipeline.take(*said)
    await erase(http, email="ann@x.example")
    (order,) = await pipeline.ordered()
    wanted = await pipeline.one("SELECT count(*) AS n, count(DISTINCT lead_id) AS leads FROM pipeline.history")

    async def forget_everything(tx: Transaction) -> None:
        for table in ("leads", "identities", "history", "asides", "erased", "erasures", "outbox"):
            await tx.execute(f"DELETE FROM pipeline.{table}")

    await pipeline.database.run(forget_everything)
    for batch in ([order], said) if order_first else (said, [order]):
        await pipeline.take(*batch)
    await says_nothing(pipeline)
    there = await pipeline.one("SELECT count(*) AS n, count(DISTINCT lead_id) AS leads FROM pipeline.history")
    assert (there.n, there.leads) == (wanted.n, wanted.leads)
    report = (await http.get(f"/v1/erasures/{order.erasure_id}")).json()
    assert (report["actor"], report["reason"]) == ("kim", "request 17")


async def test_the_same_events_read_again_change_nothing(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    said = [a_lead("ann@x.example", **ANN, **just_now()), an_interaction("ann@x.example", **just_now())]
    await pipeline.take(*said)
    await erase(http, email="ann@x.example")
    assert await pipeline.take(*said) == []
    assert (await pipeline.lead(said[0].lead_id)).conflicts == 0
    await says_nothing(pipeline)


async def test_an_old_record_sent_again_under_its_own_id_tells_nothing_anew_and_under_another_all_of_it(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    first = a_lead("ann@x.example", **ANN, **just_now())
    await pipeline.take(first)
    await erase(http, email="ann@x.example")
    assert await pipeline.take(first.model_copy(update=just_now())) == []
    await says_nothing(pipeline)
    assert await pipeline.take(a_lead("ann@x.example", **ANN, **just_now())) != []
    assert (await person(pipeline, first))["name"] == ANN["name"]


async def test_sent_again_under_its_key_it_is_one_erasure(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    await pipeline.take(a_lead("ann@x.example", **ANN, **just_now()))
    asked = {"email": "ann@x.example", "reason": "request 17"}
    headers = {"Leadflow-Actor": "kim", "Idempotency-Key": "17"}
    one, other = [(await http.post("/v1/people:erase", json=asked, headers=headers)).json() for _ in range(2)]
    assert one == other
    assert len(await pipeline.ordered()) == 1
    listed = (await http.get("/v1/erasures")).json()["items"]
    assert [item["erasure_id"] for item in listed] == [one["erasure_id"]]


async def test_a_key_that_was_used_for_somebody_else_erases_nobody_and_says_so(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    bob = a_lead("bob@y.example", name="Bob", **just_now())
    await pipeline.take(a_lead("ann@x.example", phone="+31612345678", **ANN, **just_now()), bob)
    headers = {"Leadflow-Actor": "kim", "Idempotency-Key": "17"}

    async def again(**who: str) -> httpx.Response:
        return await http.post("/v1/people:erase", json={"reason": "request 17", **who}, headers=headers)

    first = await again(email="ann@x.example")
    refused = await again(email="bob@y.example")
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (409, "idempotency-key-reused")
    assert "bob" not in refused.text
    assert (await person(pipeline, bob))["name"] == "Bob"
    same = await again(phone="+31612345678")
    assert (same.status_code, same.json()["erasure_id"]) == (200, first.json()["erasure_id"])
    await erase(http, email="ann@x.example")
    assert (await again(email="ann@x.example")).status_code == 200, "erased once more since, it is still their erasure"
    await erase(http, email="bob@y.example")
    assert (await again(email="bob@y.example")).status_code == 409


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"email": "info@x.example", "reason": "r"}, 422, "no-identity"),
        ({"phone": "12", "reason": "r"}, 422, "no-identity"),
        ({"phone": "+31 612 345 678 901", "reason": "r"}, 422, "no-identity"),
        ({"email": "ann@x.example.", "reason": "r"}, 422, "no-identity"),
        ({"email": "<ann@x.example>", "reason": "r"}, 422, "no-identity"),
        ({"email": "mailto:ann@x.example", "reason": "r"}, 422, "no-identity"),
        ({"email": "ann@x.example", "reason": "asked by ann@x.example"}, 422, "personal-reason"),
        ({"email": "ann@x.example", "reason": "called from 0612 345 678"}, 422, "personal-reason"),
        ({"email": "ann@x.example", "phone": "+31612345678", "reason": "r"}, 422, None),
        ({"reason": "r"}, 422, None),
        ({"email": "ann@x.example"}, 422, None),
    ],
)
async def test_what_cannot_be_asked(http: httpx.AsyncClient, asked: dict[str, str], status: int, code: Any) -> None:
    answer = await http.post("/v1/people:erase", json=asked, headers={"Leadflow-Actor": "kim"})
    assert answer.status_code == status
    assert code is None or answer.json()["type"].endswith(code)
    assert "ann@" not in answer.text
    assert "0612" not in answer.text


async def test_nobody_is_erased_or_shown_without_a_name_under_it(http: httpx.AsyncClient) -> None:
    for command, body in (("erase", {"email": "a@x.example", "reason": "r"}), ("export", {"email": "a@x.example"})):
        assert (await http.post(f"/v1/people:{command}", json=body)).status_code == 422


async def test_a_person_is_shown_all_that_is_kept_of_them(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    await pipeline.take(
        a_lead(phone="+31612345678", **ANN, **just_now()),
        a_lead("ann@x.example", phone="+31612345678", **ANN, **just_now()),
    )
    asked = {"email": "ann@x.example"}
    shown = (await http.post("/v1/people:export", json=asked, headers={"Leadflow-Actor": "kim"})).json()
    (lead,) = shown["leads"]
    assert (lead["personal"]["name"], lead["personal"]["phone"]) == ("Ann Secret", "+31612345678")
    assert [event["proof"] for event in shown["history"] if event["event"] == "ConsentChanged"] == ["ticked by Ann"] * 2
    assert {one["kind"] for one in shown["identities"]} == {"email", "phone"}
    nobody = await http.post("/v1/people:export", json={"email": "bob@y.example"}, headers={"Leadflow-Actor": "kim"})
    assert (nobody.status_code, nobody.json()["type"].rpartition(":")[2]) == (404, "unknown-person")
    assert "bob" not in nobody.text
