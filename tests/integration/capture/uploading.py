"""Capture as somebody who uploads files meets it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from tests.support.clock import FakeClock
from tests.support.patience import eventually
from tests.unit.capture.fakes import NOW, FakeLog, a_client, the_app

MAX_BYTES = 100_000
POLICY_MAPPING = """\
version: test
mappings:
  crm: |
    - name: {columns: [First, Last]}
      email: Mail
      channel: {constant: web_form}
"""

ENDED = frozenset({"done", "failed", "cancelled"})
OPERATOR = {"Authorization": f"Bearer {'t' * 16}"}


def people(count: int, start: int = 0) -> str:
    """A file of so many leads."""
    rows = (f"Lead {n},lead{n}@example.com,r{n}\n" for n in range(start, start + count))
    return "name,email,record_id\n" + "".join(rows)


@dataclass
class Uploads:
    """Capture with a database and a place for files: a sender's client, the log, the clock."""

    client: httpx.AsyncClient
    log: FakeLog
    clock: FakeClock
    directory: Path
    url: str

    async def send(
        self,
        content: str | bytes,
        filename: str = "leads.csv",
        *,
        status: int = 202,
        path: str = "/v1/uploads",
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Any:
        """Uploads a file as a form does; the answer."""
        content = content.encode() if isinstance(content, str) else content
        answer = await self.client.post(path, files={"file": (filename, content)}, data=options, headers=headers)
        assert answer.status_code == status, answer.text
        if status == 202:
            assert answer.headers["location"] == f"/v1/uploads/{answer.json()['upload_id']}"
        return answer.json()

    async def show(self, upload_id: str) -> Any:
        """The job."""
        answer = await self.client.get(f"/v1/uploads/{upload_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ended(self, upload_id: str, *, within_seconds: float = 30.0) -> Any:
        """The job, once it has ended."""

        async def check() -> Any:
            job = await self.show(upload_id)
            return job if job["status"] in ENDED else None

        return await eventually(check, within_seconds=within_seconds)

    async def imported(self, content: str | bytes, filename: str = "leads.csv", **options: Any) -> Any:
        """Uploads a file and waits for its end."""
        return await self.ended((await self.send(content, filename, **options))["upload_id"])

    async def command(self, upload_id: str, verb: str, *, status: int = 200) -> Any:
        """Cancels or resumes a job."""
        answer = await self.client.post(f"/v1/uploads/{upload_id}:{verb}")
        assert answer.status_code == status, answer.text
        return answer.json()

    async def report(self, upload_id: str) -> list[dict[str, str]]:
        """The refused rows."""
        answer = await self.client.get(f"/v1/uploads/{upload_id}/report")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/csv")
        return list(csv.DictReader(io.StringIO(answer.text)))

    def names(self) -> list[str | None]:
        """Who is on the log, in its order."""
        return [event.personal.name for event in self.log.events() if event.personal is not None]

    def times(self) -> Counter[Any]:
        """How often each event is on the log."""
        return Counter(event.event_id for event in self.log.events())


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A file of these rows."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()


class Place:
    """What several processes of capture may share."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.directory = folder / "uploads"
        self.log = FakeLog()
        self.clock = FakeClock(NOW)
        policy = folder / "policy.yaml"
        policy.write_text(POLICY_MAPPING)
        self.settings: dict[str, Any] = {
            "policy_file": policy,
            "database_url": SecretStr(url),
            "upload_max_bytes": MAX_BYTES,
            "upload_rows_per_second": 100_000,
        }

    @asynccontextmanager
    async def capture(self, **settings: Any) -> AsyncIterator[Uploads]:
        """A process of it."""
        given = {"upload_dir": self.directory, **self.settings, **settings}
        app = the_app(self.log, self.clock, **given)
        async with app.router.lifespan_context(app), a_client(app) as client:
            yield Uploads(client, self.log, self.clock, self.directory, self.url)
