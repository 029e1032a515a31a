"""The policies that scores were made by: the present one is remembered at start, older ones are recalled for audits."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson

from services.scoring import storage
from services.scoring.domain import Judge
from shared.contracts.policy import Policy
from shared.kit.background import running
from shared.kit.database import Database, Transaction
from shared.kit.logs import log
from shared.kit.transient import is_transient

RETRY_SECONDS = 2.0


class Policies:
    """What each version of the policy has said about scoring."""

    def __init__(self, database: Database, judge: Judge) -> None:
        self._database = database
        self.judge = judge
        self.contents = 1
        self._recalled: dict[str, list[Judge]] = {}

    @property
    def version(self) -> str:
        """The present one."""
        return self.judge.policy.version

    async def remember(self) -> None:
        """Keeps the present policy. Says so loudly where its version has meant something else before."""
        content = self.judge.content()
        digest = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
        self.contents = await self._database.run(lambda tx: storage.remember(tx, self.version, digest, content))
        if self.contents > 1:
            log().warning("policy_changed_under_its_version", policy_version=self.version, contents=self.contents)

    async def judges(self, tx: Transaction, version: str | None) -> list[Judge]:
        """Those that could have scored by a version: the present one first where it is of that version. None where nobody
        remembers it."""
        if version is None:
            return []
        if version not in self._recalled:
            documents = await storage.recalled(tx, version)
            found = [
                Judge(Policy.model_validate(document), self.judge.assessor, self.judge.of_customers)
                for document in documents
            ]
            self._recalled[version] = found if version != self.version else [self.judge, *found]
        return self._recalled[version]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Remembers the present policy as soon as the database answers."""
        async with running(self._remember_once(), "scoring-policy"):
            yield

    async def _remember_once(self) -> None:
        while True:
            try:
                return await self.remember()
            except Exception as error:
                if not is_transient(error):
                    log().error("policy_not_remembered", error_type=type(error).__name__)
                    return None
            await asyncio.sleep(RETRY_SECONDS)
