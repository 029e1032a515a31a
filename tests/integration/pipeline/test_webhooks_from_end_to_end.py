"""Webhooks at both ends: what the relay leaves for them, and the receiver that proves who it is."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from services.pipeline.domain.webhook_rules import Answer
from services.pipeline.storage.webhooks import RELAYED
from services.pipeline.webhooks.posting import Poster
from shared.kit.background import running
from shared.kit.database import Database
from shared.kit.instruments import OutboxInstruments
from shared.kit.outside import Rules, Target
from shared.kit.producer import Producer
from shared.kit.relay import Relay
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.hooked import Hooked
from tests.integration.pipeline.receiving import Receiver, receiving
from tests.support.patience import eventually
from tests.unit.pipeline.builders import a_lead, a_score, at


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


class Log:
    """A log that takes everything."""

    async def send_many(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> list[Exception | None]:
        return [None] * len(messages)


async def test_what_the_relay_has_sent_is_left_to_whoever_follows_and_to_nobody_otherwise(
    migrated_database: Callable[..., str], receiver: Receiver
) -> None:
    registry = CollectorRegistry()
    pipeline = Pipeline(migrated_database("pipeline"), registry)
    relay = Relay(
        pipeline.database, cast(Producer, Log()), OutboxInstruments(registry), poll_seconds=0.02, then=RELAYED
    )

    async def relayed() -> int:
        async with running(relay.run(), "relay"):
            await eventually(lambda: _is_empty(pipeline.database))
        rows = await pipeline.database.rows("SELECT count(*) AS n FROM pipeline.webhook_feed")
        return int(rows[0].n)

    await pipeline.take(a_lead("before@x.example"))
    assert await relayed() == 0
    hooked = Hooked(pipeline.database)
    await hooked.follow(receiver.url)
    lead = a_lead("ann@x.example")
    await pipeline.take(lead)
    await pipeline.take(a_score(lead.lead_id, 70))
    assert await relayed() == 2
    await hooked.told()
    assert [one.said["type"] for one in receiver.got] == ["LeadCreated", "LeadGraded", "LeadQualified"]
    await hooked.hooks.sending._poster.close()
    await pipeline.database.close()


async def _is_empty(database: Database) -> bool:
    rows = await database.rows("SELECT count(*) AS n FROM pipeline.outbox")
    return bool(rows[0].n == 0)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl, which makes the certificate, is not installed")
async def test_by_https_a_receiver_proves_to_have_the_name_that_was_asked_for_whatever_its_address(
    tmp_path: Path,
) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    subprocess.run(  # noqa: ASYNC221
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
         "-subj", "/CN=crm.example", "-addext", "subjectAltName=DNS:crm.example"],
        check=True, capture_output=True,
    )  # fmt: skip
    proof = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    proof.load_cert_chain(certificate, key)
    rules = Rules(networks=(ip_network("127.0.0.0/8"),))

    async def here(_: Target) -> list[str]:
        return ["127.0.0.1"]

    trusts = ssl.create_default_context(cafile=certificate)
    poster = Poster(rules, timeout_seconds=5, trusts=trusts, resolve=here)
    with receiving(proof) as receiver:
        port = receiver.url.split(":")[2]
        for name, answer in (("crm.example", Answer(204)), ("other.example", Answer(None, "ConnectError"))):
            url = f"https://{name}:{port}"
            assert await poster.post(url, "one", b"{}", ["whsec_aaaa"], at=at(0), now=at(0)) == answer
        assert [one.headers["host"].partition(":")[0] for one in receiver.got] == ["crm.example"]
    await poster.close()
