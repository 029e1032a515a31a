"""What senders deliver, on a real log: each record once, however often it is delivered, and nothing that is forged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from services.capture.app import create_app
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.topics import CAPTURE_LEADS
from tests.integration.capture.test_capture_log import everything
from tests.support.clock import FakeClock
from tests.support.names import unique
from tests.support.patience import eventually
from tests.unit.capture.channels import signing
from tests.unit.capture.channels.test_calendly import BOOKED
from tests.unit.capture.channels.test_google import LEAD
from tests.unit.capture.channels.test_linkedin import NOTICE as LINKEDIN_NOTICE
from tests.unit.capture.channels.test_linkedin import RESPONSE as LINKEDIN_RESPONSE
from tests.unit.capture.channels.test_mapped import ENVELOPE
from tests.unit.capture.channels.test_meta import DETAILS, NOTICE
from tests.unit.capture.channels.test_typeform import RESPONSE
from tests.unit.capture.fakes import FULL_KEY, NOW, a_client, the_settings

SECRET = "the-secret-of-every-sender"


async def told_by(bootstrap: str, *senders: str) -> list[LeadCaptured | InteractionRecorded]:
    """The events of these senders, partition by partition."""
    records = await everything(bootstrap, CAPTURE_LEADS.name)
    return [event for _, value in records if (event := CAPTURE_LEADS.parse(value)).sender in senders]  # type: ignore[attr-defined,misc]


def deliveries() -> list[tuple[str, bytes, dict[str, str]]]:
    """One of every signing sender: its adapter, the body, the headers that prove it."""
    bodies: list[tuple[str, dict[str, Any], signing.Sign]] = [
        ("meta_lead_ads", NOTICE, signing.meta),
        ("google_ads", LEAD | {"google_key": SECRET}, lambda body, secret: {}),
        ("linkedin", LINKEDIN_NOTICE, signing.linkedin),
        ("typeform", RESPONSE, signing.typeform),
        ("calendly", BOOKED, signing.calendly),
        ("standard_webhooks", ENVELOPE, signing.standard_webhooks),
    ]
    return [
        (adapter, body, sign(body, SECRET))
        for adapter, content, sign in bodies
        if (body := json.dumps(content).encode())
    ]


async def test_every_sender_is_taken_once_on_a_real_log(channel_log: str, tmp_path: Path) -> None:
    names = {adapter: unique(adapter.replace("_", "-")) for adapter, _, _ in deliveries()}
    endpoints: dict[str, dict[str, Any]] = {
        name: {"adapter": adapter, "channel": "social", "secret": "SENDER"} for adapter, name in names.items()
    }
    endpoints[names["meta_lead_ads"]]["verify_token"] = "SENDER"
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump({"version": "t", "defaults": {"endpoints": endpoints}}))
    settings = the_settings(LEADFLOW_KAFKA_BOOTSTRAP=channel_log, channel_secrets=f"SENDER={SECRET}")
    app = create_app(settings.model_copy(update={"policy_file": policy}), clock=FakeClock(NOW))
    async with app.router.lifespan_context(app), a_client(app, key=None) as client:

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await eventually(ready, within_seconds=60)
        for adapter, body, headers in deliveries() * 2:
            address = f"/v1/channels/default/{names[adapter]}"
            forged = await client.post(
                address,
                content=body.replace(b"ada", b"eve").replace(b"the-secret", b"a-secret") + b" ",
                headers=headers,
            )
            assert forged.status_code == 401, adapter
            answer = await client.post(address, content=body, headers=headers)
            assert (answer.status_code, answer.json()["rejected"]) == (200, 0), (adapter, answer.text)
        for adapter, details in (("meta_lead_ads", DETAILS), ("linkedin", LINKEDIN_RESPONSE)):
            address = f"/v1/channels/default/{names[adapter]}"
            answer = await client.post(address, json=details, headers={"X-API-Key": FULL_KEY})
            assert answer.status_code == 200
    events = await told_by(channel_log, *names.values())
    ids: dict[str, set[object]] = {adapter: set() for adapter in names}
    for event in events:
        ids[next(adapter for adapter, name in names.items() if name == event.sender)].add(event.event_id)
    assert {adapter: len(them) for adapter, them in ids.items()} == {
        "meta_lead_ads": 2,  # the notice, and the details
        "google_ads": 1,
        "linkedin": 2,
        "typeform": 1,
        "calendly": 2,  # the lead, and that it booked
        "standard_webhooks": 1,
    }
    for sender in (names["meta_lead_ads"], names["linkedin"]):
        told = [event for event in _once(events) if event.sender == sender]
        (notice,) = (event for event in told if "details_pending" in event.flags)
        (answers,) = (event for event in told if event is not notice)
        known = {one for one in notice.identities if one.kind == "external"}
        assert known <= set(answers.identities), "what the notice began, the details join"


def _once(events: list[LeadCaptured | InteractionRecorded]) -> list[LeadCaptured | InteractionRecorded]:
    return list({event.event_id: event for event in events}.values())
