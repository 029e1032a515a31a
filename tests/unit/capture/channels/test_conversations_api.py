"""Calls, chats, e-mail and lists from their delivery to the log: one call, message or visitor counts once."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from services.capture.api.deliveries import long_deliveries
from services.capture.domain.channels import Addresses
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.policy import Policy
from shared.kit.connections import MAX_BODY_BYTES
from tests.unit.capture.channels.support import SECRETS, a_door
from tests.unit.capture.channels.test_calls import CALLBACK, ENDED, MISSED, STARTED, sign
from tests.unit.capture.channels.test_check_ins import CAME
from tests.unit.capture.channels.test_emails import BOUNCE, mail
from tests.unit.capture.fakes import PLAIN_KEY, FakeLog, problem, the_settings

MAIL = {"adapter": "email", "channel": "email"}
ENDPOINTS: dict[str, dict[str, Any]] = {
    "exchange": {"adapter": "call", "channel": "phone"},
    "twilio": {"adapter": "twilio_call", "channel": "phone", "secret": "SENDER"},
    "chat": {"adapter": "chat", "channel": "chat"},
    "mail": MAIL,
    "fair": {"adapter": "check_in", "channel": "event", "constants": {"source": "fair"}},
}
KEY = {"X-API-Key": PLAIN_KEY}


async def test_one_call_is_one_lead_and_one_interaction_on_the_log(tmp_path: Path, log: FakeLog) -> None:
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        for event in (STARTED, ENDED, ENDED):
            answer = await client.post("/v1/channels/default/exchange", json=event, headers=KEY)
            assert answer.status_code == 200, answer.text
    events = log.events()
    assert len({event.event_id for event in events}) == 2
    assert len({event.lead_id for event in events}) == 1
    (call,) = {event.event_id: event for event in events if isinstance(event, InteractionRecorded)}.values()
    assert (call.kind, call.direction, call.duration_seconds, call.outcome) == ("call", "inbound", 312, "answered")
    assert all(event.flags == () for event in events)


async def told(client: httpx.AsyncClient, *events: dict[str, Any]) -> None:
    """Delivers events of calls, each of which is taken."""
    for event in events:
        answer = await client.post("/v1/channels/default/exchange", json=event, headers=KEY)
        assert (answer.status_code, answer.json()["rejected"]) == (200, 0), answer.text


async def test_hanging_up_after_a_missed_call_contradicts_nothing_and_is_no_second_call(
    tmp_path: Path, log: FakeLog
) -> None:
    hung_up = {**ENDED, "duration": 20, "outcome": ""}
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        await told(client, MISSED, hung_up, hung_up, MISSED, {**hung_up, "duration": 21})
    events = {event.event_id: event for event in log.events()}.values()
    calls = [event for event in events if isinstance(event, InteractionRecorded)]
    assert [(call.kind, call.outcome) for call in calls] == [("call", "missed"), *[("call_event", "completed")] * 2]
    assert [call.duration_seconds for call in calls] == [None, 20, 21]
    assert len({event.lead_id for event in events}) == 1


async def test_a_call_that_rang_elsewhere_first_and_was_answered_is_both(tmp_path: Path, log: FakeLog) -> None:
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        await told(client, MISSED, ENDED, ENDED, {**MISSED, "agent": "8"})
    events = {event.event_id: event for event in log.events()}.values()
    missed, answered, again = (event for event in events if isinstance(event, InteractionRecorded))
    assert [(one.kind, one.outcome) for one in (missed, answered)] == [("call", "missed"), ("call", "answered")]
    assert (again.kind, again.attributes["agent"]) == ("call_event", "8")


async def test_a_name_that_is_known_at_the_end_of_a_call_is_taken(tmp_path: Path, log: FakeLog) -> None:
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        await told(client, STARTED, {**STARTED, "to": "201"}, {**ENDED, "name": "Ada", "campaign": "radio"}, STARTED)
    leads = [event for event in log.events() if isinstance(event, LeadCaptured)]
    assert [lead.personal and lead.personal.name for lead in leads] == [None, None, "Ada"]
    assert leads[-1].campaign == "radio"
    assert len({lead.lead_id for lead in leads}) == 1


async def test_a_missed_call_is_a_lead_that_can_be_called_back(tmp_path: Path, log: FakeLog) -> None:
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        await client.post("/v1/channels/default/exchange", json=MISSED, headers=KEY)
        withheld = {**MISSED, "from": "anonymous", "call_id": "c-18"}
        await client.post("/v1/channels/default/exchange", json=withheld, headers=KEY)
    lead, call, anonymous = log.events()
    assert isinstance(lead, LeadCaptured)
    assert lead.personal is not None
    assert (lead.personal.phone, lead.channel, call.lead_id) == ("+31201234567", "phone", lead.lead_id)
    assert isinstance(anonymous, InteractionRecorded)
    assert [one.kind for one in anonymous.identities] == ["visitor"]
    assert anonymous.flags == ("number_withheld",)


async def test_what_twilio_signed_is_taken_and_what_it_did_not_is_401(tmp_path: Path, log: FakeLog) -> None:
    fields = [(name, value) for name, value in CALLBACK.items() if value]
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        url = "http://capture/v1/channels/tehran/twilio"
        for signature, status in ((sign(url, fields, SECRETS["SENDER"][1]), 200), (sign(url, fields, "not-ours"), 401)):
            answer = await client.post(
                "/v1/channels/tehran/twilio",
                content=urlencode(fields),
                headers={**headers, "X-Twilio-Signature": signature},
            )
            assert answer.status_code == status, answer.text
        problem(await client.post("/v1/channels/tehran/twilio", data=dict(fields)), 401, "unauthorized")
    assert [event.business_unit for event in log.events()] == ["tehran", "tehran"]


async def test_a_message_with_a_large_file_is_read_and_the_file_read_past(tmp_path: Path, log: FakeLog) -> None:
    raw = mail() + b"\n--x\nContent-Type: application/pdf\n\n" + b"A" * (3 * 1024 * 1024)
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        headers = {**KEY, "Content-Type": "message/rfc822"}
        for _ in range(2):
            answer = await client.post("/v1/channels/default/mail", content=raw, headers=headers)
            assert answer.status_code == 200, answer.text
        too_large = await client.post("/v1/channels/default/mail", content=b"A" * (41 << 20), headers=headers)
        problem(too_large, 413, "too-large")
        problem(await client.post("/v1/channels/default/mail", content=mail()), 401, "unauthorized")
    (event,) = {event.event_id: event for event in log.events()}.values()
    assert event.personal is not None
    assert (event.personal.email, event.channel) == ("ada@example.com", "email")
    assert event.personal.message is not None
    assert event.personal.message.startswith("A quote for 40 people")


def test_the_server_lets_a_message_arrive_that_is_as_large_as_settings_allow() -> None:
    most = 256 * 1024 * 1024
    policy = Policy.model_validate({"version": "1", "defaults": {"channels": ["email"], "endpoints": {"mail": MAIL}}})
    taken = long_deliveries(Addresses(policy), the_settings(max_email_bytes=most))
    assert list(taken) == ["/v1/channels/default/mail"]
    assert taken["/v1/channels/default/mail"][0] > most > MAX_BODY_BYTES


async def test_what_there_is_nothing_to_take_of_is_told_and_counted(tmp_path: Path, log: FakeLog) -> None:
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        nobody = mail(**{"from": "no-reply@example.com"})
        answer = await client.post("/v1/channels/default/mail", content=nobody, headers=KEY)
        assert (answer.status_code, answer.json()["ignored"][:16]) == (200, "mail from nobody")
        bounced = await client.post("/v1/channels/default/mail", content=BOUNCE.encode(), headers=KEY)
        assert bounced.json()["accepted"] == 2
        text = (await client.get("/metrics")).text
    assert 'leadflow_capture_deliveries_total{adapter="email",outcome="ignored"} 1.0' in text
    assert all(isinstance(event, InteractionRecorded) for event in log.events())


async def test_a_list_comes_as_json_or_as_csv(tmp_path: Path, log: FakeLog) -> None:
    table = (
        "\ufeffName;E-mail;Company;ticket_id;checked_in_at\n"
        "Ada Lovelace;ada@example.com;Analytical Engines;T-1;2026-03-02T09:30:00+01:00\n;;;;\n"
    )
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        as_json = await client.post("/v1/channels/default/fair", json=[CAME], headers=KEY)
        headers = {**KEY, "Content-Type": "text/csv; charset=utf-8"}
        as_csv = await client.post("/v1/channels/default/fair", content=table.encode(), headers=headers)
        assert (as_json.json()["accepted"], as_csv.json()["accepted"]) == (2, 2), as_csv.text
        for broken in (b"\xff\xfe", b"\n", b'a,b\n"x'):
            refused = await client.post("/v1/channels/default/fair", content=broken, headers=headers)
            problem(refused, 422, "not-csv")
    events = log.events()
    assert len({event.event_id for event in events}) == 2, "the same ticket is the same record, however it is sent"
    assert {event.source for event in events} == {"fair"}
    assert {event.kind for event in events if isinstance(event, InteractionRecorded)} == {"event_check_in"}


async def test_a_row_that_names_nobody_is_refused_alone(tmp_path: Path, log: FakeLog) -> None:
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        answer = await client.post("/v1/channels/default/fair", json=[CAME, {"ticket_id": "T-2"}], headers=KEY)
    assert answer.status_code == 200
    assert [item["status"] for item in answer.json()["items"]] == [202, 202, 202, 422]
