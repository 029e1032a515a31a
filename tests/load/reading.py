"""The limit of every consumer: reading a topic with the same client and decoding each record with the same contracts, and
doing nothing with it. `python -m tests.load.reading BOOTSTRAP TOPIC RECORDS WARM_UP` prints one line of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.contracts.topics import TOPICS


async def read(bootstrap: str, name: str, records: int, warm_up: int) -> dict[str, float]:
    """What the processor spent on all records after the first `warm_up`."""
    parse = TOPICS[name].parse
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        partitions = consumer.partitions_for_topic(name) or {0, 1, 2, 3}
        consumer.assign([TopicPartition(name, partition) for partition in partitions])
        seen, processor, wall, skipped = 0, 0.0, 0.0, 0
        while seen < records:
            for batch in (await consumer.getmany(timeout_ms=200, max_records=1000)).values():
                for record in batch:
                    parse(record.value)
                seen += len(batch)
            if seen >= warm_up and not skipped:
                processor, wall, skipped = time.process_time(), time.perf_counter(), seen
        return {
            "records": seen - skipped,
            "processor": time.process_time() - processor,
            "wall": time.perf_counter() - wall,
        }
    finally:
        await consumer.stop()


if __name__ == "__main__":
    bootstrap, name, records, warm_up = sys.argv[1:]
    print(json.dumps(asyncio.run(read(bootstrap, name, int(records), int(warm_up)))), flush=True)
