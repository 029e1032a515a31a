"""What a person permits: with its basis, text, time and proof, with its history, and withdrawn when they say so."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared.contracts.capture_events import Consent
from shared.contracts.lifecycle_events import ConsentChanged
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.unit.pipeline.builders import a_lead, an_interaction, at

GIVEN = Consent(
    purpose="newsletter",
    lawful_basis="consent",
    text_version="2026-03",
    proof="form 12, ticked by Ann",
    given_at=at(-5),
)


async def asked(http: httpx.AsyncClient, lead_id: Any) -> Any:
    answer = await http.get(f"/v1/leads/{lead_id}/consents")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_consent_survives_from_the_door_with_all_that_proves_it(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example", consents=(GIVEN, Consent(purpose="sms", granted=False)))
    _, newsletter, sms = await pipeline.take(lead)
    assert isinstance(newsletter, ConsentChanged)
    assert isinstance(sms, ConsentChanged)
    assert (newsletter.lawful_basis, newsletter.text_version, newsletter.occurred_at) == ("consent", "2026-03", at(-5))
    assert b"ticked" not in newsletter.to_json()
    found = await asked(http, lead.lead_id)
    told = found["purposes"]["newsletter"]
    assert (told["granted"], told["lawful_basis"], told["text_version"]) == (True, "consent", "2026-03")
    assert (told["proof"], told["at"]) == ("form 12, ticked by Ann", "2026-03-02T08:55:00+00:00")
    assert (found["purposes"]["sms"]["granted"], len(found["history"])) == (False, 2)
    shown = (await http.get(f"/v1/leads/{lead.lead_id}")).json()
    assert shown["consents"] == {"newsletter": True, "sms": False}


async def test_a_withdrawal_holds_and_the_history_stays(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    lead = a_lead("ann@x.example", consents=(GIVEN,))
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}:record-consent"
    word = {
        "purpose": "newsletter",
        "granted": False,
        "proof": "mail of 3 March",
        "occurred_at": "2026-03-03T09:00:00Z",
    }
    done = await do(http, path, word, Leadflow_Actor="kim", Idempotency_Key="w")
    assert done["consents"] == {"newsletter": False}
    assert (await do(http, path, word, Leadflow_Actor="kim", Idempotency_Key="w"))["version"] == done["version"]
    found = await asked(http, lead.lead_id)
    assert [one["granted"] for one in found["history"]] == [True, False]
    assert (found["purposes"]["newsletter"]["proof"], found["purposes"]["newsletter"]["actor"]) == (
        "mail of 3 March",
        "kim",
    )
    late = a_lead("ann@x.example", occurred_at=at(1), consents=(Consent(purpose="newsletter"),))
    await pipeline.take(late)
    assert (await asked(http, lead.lead_id))["purposes"]["newsletter"]["granted"] is False, "said before the withdrawal"


async def test_a_withdrawal_holds_however_the_purpose_is_spelled(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    lead = a_lead("ann@x.example", consents=(Consent(purpose="News-Letter"), Consent(purpose="Meta Ads", granted=True)))
    await pipeline.take(lead)
    assert (await asked(http, lead.lead_id))["purposes"].keys() == {"news-letter", "meta ads"}
    done = await do(http, f"/v1/leads/{lead.lead_id}:record-consent", {"purpose": "NEWS_LETTER", "granted": False})
    assert done["consents"] == {"news_letter": False, "meta ads": True}
    shown = await asked(http, lead.lead_id)
    assert [(one["purpose"], one["granted"]) for one in shown["history"]] == [
        ("News-Letter", True), ("Meta Ads", True), ("news_letter", False),
    ]  # fmt: skip
    assert shown["purposes"]["news_letter"]["granted"] is False


async def test_what_is_permitted_under_any_id_of_a_person_holds_for_the_person(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    one = a_lead("ann@x.example", consents=(GIVEN,))
    other = a_lead(phone="+31612345670", occurred_at=at(1), consents=(Consent(purpose="newsletter", granted=False),))
    await pipeline.take(one, other, a_lead("ann@x.example", phone="+31612345670", occurred_at=at(2)))
    found = await asked(http, one.lead_id)
    assert found["purposes"]["newsletter"]["granted"] is False
    assert {entry["lead_id"] for entry in found["history"]} == {str(one.lead_id), str(other.lead_id)}
    moved = await http.get(f"/v1/leads/{other.lead_id}/consents")
    assert (moved.status_code, moved.headers["location"]) == (308, f"/v1/leads/{one.lead_id}/consents")


async def test_what_spam_permits_counts_only_when_it_is_released_and_what_it_refuses_counts(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    both = (Consent(purpose="newsletter"), Consent(purpose="sms", granted=False))
    lead = a_lead("ann@x.example", mark="spam", consents=both)
    await pipeline.take(lead)
    assert (await http.get(f"/v1/leads/{lead.lead_id}")).json()["consents"] == {"sms": False}
    released = await do(http, f"/v1/leads/{lead.lead_id}:release")
    assert released["consents"] == {"newsletter": True, "sms": False}


async def test_what_was_sent_and_meant_is_shown_with_who_somebody_is(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    first = a_lead("ann@gmial.com", country="NL", as_sent={"country": "Holland"})
    assert first.personal is not None
    said = first.personal.model_copy(
        update={"as_sent": {"email": "Ann@gmial.com", "phone": "call me"}, "suggestions": {"email": "ann@gmail.com"}}
    )
    await pipeline.take(first.model_copy(update={"personal": said}))
    shown = (await http.get(f"/v1/leads/{first.lead_id}")).json()["personal"]
    assert shown["as_sent"] == {"country": "Holland", "email": "Ann@gmial.com", "phone": "call me"}
    assert shown["suggestions"] == {"email": "ann@gmail.com"}
    await pipeline.take(a_lead("ann@gmial.com", phone="+31612345670", occurred_at=at(3)))
    shown = (await http.get(f"/v1/leads/{first.lead_id}")).json()["personal"]
    assert (shown["phone"], shown["as_sent"]) == ("+31612345670", {"country": "Holland"})
    assert "suggestions" not in shown


@pytest.mark.parametrize("said", ["a command", "an interaction"])
async def test_a_refusal_holds_of_each_id_when_a_merge_is_taken_back(
    pipeline: Pipeline, http: httpx.AsyncClient, said: str
) -> None:
    granted = (Consent(purpose="email"),)
    one = a_lead("ann@x.example", consents=granted)
    other = a_lead(phone="+31612345670", occurred_at=at(1), consents=granted)
    await pipeline.take(one, other, a_lead("ann@x.example", phone="+31612345670", occurred_at=at(2)))
    if said == "a command":
        await do(http, f"/v1/leads/{one.lead_id}:record-consent", {"purpose": "email", "granted": False})
    else:
        await pipeline.take(an_interaction("ann@x.example", kind="unsubscribe", occurred_at=at(3)))
    await do(http, f"/v1/leads/{other.lead_id}:unmerge")
    shown = [(await http.get(f"/v1/leads/{each.lead_id}")).json()["consents"] for each in (one, other)]
    assert shown == [{"email": False}, {"email": False}]
