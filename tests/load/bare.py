"""What capture is held against: a FastAPI application on the same server that does nothing but await the same producer.

`python -m tests.load.bare PORT BOOTSTRAP TOPIC`
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, SecretStr

from shared.kit.main import serve
from shared.kit.producer import partition_of
from shared.kit.settings import ServiceSettings


class Lead(BaseModel):
    """What the ordinary handler looks at: that these fields are text."""

    business_unit: str
    channel: str
    source: str
    campaign: str
    email: str
    name: str
    company: str
    job_title: str
    phone: str | None = None


def bare_app(bootstrap: str, topic: str) -> FastAPI:
    """One record a request, or many: no key is checked, nothing is normalised or identified."""
    kept: list[AIOKafkaProducer] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            linger_ms=2,
            max_batch_size=256 * 1024,
            max_request_size=1024 * 1024,
            partitioner=partition_of,
        )
        await producer.start()
        kept.append(producer)
        yield
        await producer.stop()

    app = FastAPI(lifespan=lifespan)
    app.state.draining = False

    @app.get("/readyz")
    async def ready() -> Response:
        return Response()

    @app.post("/one")
    async def one(request: Request) -> Response:
        await kept[0].send_and_wait(topic, await request.body(), os.urandom(16))
        return Response(status_code=202)

    @app.post("/batch", status_code=202)
    async def batch(leads: list[Lead]) -> dict[str, int]:
        """As most would write it: the framework reads the body into models, and each lead is sent."""
        sent = [await kept[0].send(topic, lead.model_dump_json().encode(), os.urandom(16)) for lead in leads]
        await asyncio.gather(*sent)
        return {"accepted": len(leads)}

    @app.post("/forwarded")
    async def forwarded(request: Request) -> Response:
        """The quickest way this client has: nothing is looked at, batches are filled by hand, one acknowledgement for each."""
        producer = kept[0]
        partitions = sorted(await producer.partitions_for(topic))
        filling = {partition: producer.create_batch() for partition in partitions}
        sent = []
        for item in orjson.loads(await request.body()):
            key, value = os.urandom(16), orjson.dumps(item)
            partition = partition_of(key, partitions, partitions)
            if filling[partition].append(key=key, value=value, timestamp=None) is None:
                sent.append(await producer.send_batch(filling[partition], topic, partition=partition))
                filling[partition] = producer.create_batch()
                filling[partition].append(key=key, value=value, timestamp=None)
        for partition, rest in filling.items():
            if rest.record_count():
                sent.append(await producer.send_batch(rest, topic, partition=partition))
        await asyncio.gather(*sent)
        return Response(status_code=202)

    return app


if __name__ == "__main__":
    port, bootstrap, topic = sys.argv[1:]
    secret = SecretStr("not-a-secret-not-a-secret")
    serve(
        bare_app(bootstrap, topic),
        ServiceSettings(port=int(port), kafka_bootstrap=bootstrap, api_token=secret, identity_secret=secret),
    )
