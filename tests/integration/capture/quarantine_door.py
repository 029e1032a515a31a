"""Capture with its database, as a sender and an operator of its quarantine meet it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import orjson
import psycopg

from tests.support.clock import FakeClock
from tests.support.patience import eventually
from tests.unit.capture.fakes import FakeLog

NO_HEADERS: Mapping[str, str] = {}
OPERATOR = {"Authorization": f"Bearer {'t' * 16}", "Leadflow-Actor": "ada"}
JSON = {"Content-Type": "application/json"}
BROKEN = {"name": ["Lovelace"], "email": "ada@example.com", "channel": "web_form"}
KEEP = timedelta(days=30)


@dataclass
class Door:
    """Capture with its database: a sender's client, an operator's commands, the log and the clock."""

    url: str
    client: httpx.AsyncClient
    log: FakeLog
    clock: FakeClock
    answers: list[str] = field(default_factory=list)

    async def refused(
        self, body: Any, headers: Mapping[str, str] = NO_HEADERS, *, status: int = 422, path: str = "/v1/leads"
    ) -> str:
        """Sends what cannot be taken; the id of its entry, once it is there."""
        answer = await self.client.post(path, content=_bytes(body), headers={**JSON, **headers})
        assert answer.status_code == status, answer.text
        entry_id: str = answer.json()["quarantine_id"]
        await self.written(entry_id)
        return entry_id

    async def written(self, *entry_ids: str) -> None:
        """Waits until entries are in the database."""

        async def there() -> bool:
            found = [await self.client.get(f"/v1/quarantine/{one}", headers=OPERATOR) for one in entry_ids]
            return all(answer.status_code == 200 for answer in found)

        await eventually(there)

    async def ask(self, path: str = "", **params: Any) -> Any:
        """An operator's question; what it is about is there."""
        answer = await self.client.get(f"/v1/quarantine{path}", headers=OPERATOR, params=params)
        assert answer.status_code == 200, answer.text
        self.answers.append(answer.text)
        return answer.json()

    async def do(self, entry_id: str, command: str, body: Any = None, status: int = 200) -> Any:
        """An operator's command."""
        answer = await self.client.post(f"/v1/quarantine/{entry_id}:{command}", headers=OPERATOR, json=body)
        assert answer.status_code == status, answer.text
        self.answers.append(answer.text)
        return answer.json()

    def rows(self, sql: str, *parameters: Any) -> list[Any]:
        """What the database says."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql, parameters).fetchall()


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else orjson.dumps(body)
