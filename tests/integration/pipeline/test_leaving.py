"""One click in a mail, and no machine writes again; whoever only looks, or makes an address up, changes nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.leaving import Leaving, Written
from shared.contracts.lifecycle_events import ConsentChanged, LeadMerged
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.mailbox import Mailbox, a_policy
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_messages import Office, box
from tests.unit.pipeline.builders import SECRET, a_lead, an_id, an_interaction, at

__all__ = ["box"]
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def contact() -> dict[str, Any]:
    return {}


@pytest.fixture
def rules(contact: dict[str, Any]) -> Policy:
    return a_policy(contact)


@pytest.fixture
def office(pipeline: Pipeline, rules: Policy, box: Mailbox) -> Office:
    return Office(pipeline, rules, mail_smtp_url=box.url)


async def the_way(office: Office, box: Mailbox) -> str:
    """The path that the mail names first."""
    await office.work()
    first: str = box.got[-1]["List-Unsubscribe"].split(", ")[0]
    return first.strip().removeprefix("<https://crm.acme.example").removesuffix(">")


async def nameless(http: httpx.AsyncClient, method: str, path: str, **more: Any) -> httpx.Response:
    """As somebody asks who has no token."""
    return await http.request(method, path, headers={"Authorization": ""}, **more)


async def test_one_click_is_a_refusal_on_record_and_the_gate_keeps_it(
    office: Office, box: Mailbox, http: httpx.AsyncClient
) -> None:
    lead_id = await office.lead()
    path = await the_way(office, box)
    for _ in range(2):
        answer = await nameless(http, "POST", path, data=ONE_CLICK)
        assert (answer.status_code, "no more" in answer.text) == (200, True)
    (said,) = await office.said(ConsentChanged)
    assert (said.lead_id, said.purpose, said.granted, said.actor) == (lead_id, "email", False, "recipient")
    shown = (await http.get(f"/v1/leads/{lead_id}/consents")).json()
    assert shown["purposes"]["email"]["proof"].startswith("by the address in message ")
    allowance = (await http.get(f"/v1/leads/{lead_id}/contact-allowance", params={"channel": "email"})).json()
    assert (allowance["allowed"], allowance["reason"]) == (False, "consent")
    phone = (await http.get(f"/v1/leads/{lead_id}/contact-allowance", params={"channel": "phone"})).json()
    assert phone["allowed"]
    await do(http, f"/v1/leads/{lead_id}:record-contact", {"kind": "email"}, status=409)


async def test_what_was_decided_on_and_not_sent_when_somebody_leaves_is_withdrawn(
    office: Office, box: Mailbox, http: httpx.AsyncClient
) -> None:
    lead_id = await office.lead()
    await office.decide()
    token = Leaving(SECRET).token(Written(lead_id, an_id()))
    assert (await nameless(http, "POST", f"/unsubscribe/{token}", data=ONE_CLICK)).status_code == 200
    await office.send()
    assert (box.got, await office.status()) == ([], "withdrawn")


@pytest.mark.parametrize("contact", [{"consent": {"email": "marketing"}}])
async def test_it_is_the_purpose_of_the_unit_that_is_refused_and_who_agrees_again_may_leave_again(
    office: Office, http: httpx.AsyncClient
) -> None:
    lead_id = await office.lead()
    path = f"/unsubscribe/{Leaving(SECRET).token(Written(lead_id, an_id()))}"
    for granted in (True, False, True, False):
        office.after(minutes=1)
        if granted:
            await do(http, f"/v1/leads/{lead_id}:record-consent", {"purpose": "marketing", "granted": True})
        else:
            assert (await nameless(http, "POST", path)).status_code == 200
    said = [(one.purpose, one.granted) for one in await office.said(ConsentChanged)]
    assert said == [("marketing", True), ("marketing", False)] * 2


async def merged(office: Office, box: Mailbox, pipeline: Pipeline, http: httpx.AsyncClient) -> tuple[UUID, UUID, str]:
    """Somebody who was written to, an older lead that they are one with since, and the way to leave."""
    older = a_lead("b@x.example", occurred_at=at(-9))
    await pipeline.take(older)
    lead_id = await office.lead()
    path = await the_way(office, box)
    await do(http, f"/v1/leads/{lead_id}:merge", {"other_lead_id": str(older.lead_id)})
    return lead_id, older.lead_id, path


async def test_whoever_was_merged_meanwhile_leaves_as_who_they_are_now(
    office: Office, box: Mailbox, pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    _, older, path = await merged(office, box, pipeline, http)
    assert (await nameless(http, "POST", path)).status_code == 200
    assert (await http.get(f"/v1/leads/{older}")).json()["consents"] == {"email": False}


async def test_whoever_is_parted_again_after_they_left_is_written_to_no_more_under_any_id(
    office: Office, box: Mailbox, pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead_id, older, path = await merged(office, box, pipeline, http)
    for _ in range(2):
        assert (await nameless(http, "POST", path)).status_code == 200
    loser = next(one.lead_id for one in await office.said(LeadMerged))
    await do(http, f"/v1/leads/{loser}:unmerge", {})
    for parted in (lead_id, older):
        shown = (await http.get(f"/v1/leads/{parted}")).json()
        assert (shown["lead_id"], shown["consents"]) == (str(parted), {"email": False})
    assert len(await office.said(ConsentChanged)) == 2


async def test_looking_changes_nothing_and_a_made_up_address_is_none(
    office: Office, box: Mailbox, http: httpx.AsyncClient
) -> None:
    await office.lead()
    path = await the_way(office, box)
    seen = await nameless(http, "GET", path)
    assert (seen.status_code, '<form method="post">' in seen.text) == (200, True)
    assert "x.example" not in seen.text
    for made_up in (
        f"{path[:-1]}A" if path[-1] != "A" else f"{path[:-1]}B",
        "/unsubscribe/x",
        f"{path}%00",
        "/unsubscribe/%ff",
    ):
        for method in ("GET", "POST"):
            assert (await nameless(http, method, made_up)).status_code == 404, made_up
    unknown = f"/unsubscribe/{Leaving(SECRET).token(Written(an_id(), an_id()))}"
    assert (await nameless(http, "POST", unknown)).status_code == 404
    assert await office.said(ConsentChanged) == []


@given(st.text(max_size=100) | st.binary(max_size=60).map(lambda some: some.hex()))
def test_nothing_that_is_not_ours_is_read(token: str) -> None:
    assert Leaving(SECRET).read(token) is None


@given(st.uuids(), st.uuids())
def test_what_was_written_is_known_again_by_who_wrote_it_and_by_nobody_else(lead_id: Any, message_id: Any) -> None:
    written = Written(lead_id, message_id)
    token = Leaving(SECRET).token(written)
    assert Leaving(SECRET).read(token) == written
    assert Leaving(b"another secret").read(token) is None


@pytest.mark.parametrize("kind", ["unsubscribe", "spam_complaint"])
async def test_who_says_elsewhere_that_they_want_no_more_is_written_to_no_more(
    office: Office, box: Mailbox, pipeline: Pipeline, http: httpx.AsyncClient, kind: str
) -> None:
    lead_id = await office.lead()
    await office.decide()
    told = an_interaction("ann@x.example", kind=kind, occurred_at=at(5), historical=True)
    office.after(minutes=5)
    await pipeline.take(told, told)
    await office.send()
    assert (box.got, await office.status()) == ([], "withdrawn")
    (said,) = await office.said(ConsentChanged)
    assert (said.lead_id, said.purpose, said.granted, said.historical) == (lead_id, "email", False, True)
    assert said.causation_id == told.event_id
    await do(http, f"/v1/leads/{lead_id}:record-contact", {"kind": "email"}, status=409)


async def test_a_refusal_that_is_taken_back_is_not_one_more(office: Office, pipeline: Pipeline) -> None:
    await office.lead()
    refused = an_interaction("ann@x.example", kind="unsubscribe", occurred_at=at(5))
    await pipeline.take(refused, an_interaction("ann@x.example", kind="unsubscribe", retracts=refused.event_id))
    assert len(await office.said(ConsentChanged)) == 1
