"""Every policy that scores were made by, so that each score can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from shared.kit.database import Transaction


async def remember(tx: Transaction, version: str, digest: str, document: Mapping[str, Any]) -> int:
    """Keeps what a version says. Answers with how many different contents this version has had: 1, or somebody changed
    the policy and not its version."""
    await tx.execute(
        """
        INSERT INTO scoring.policies (version, digest, document, first_used_at)
        VALUES (:version, :digest, CAST(:document AS jsonb), :now) ON CONFLICT DO NOTHING
        """,
        {"version": version, "digest": digest, "document": orjson.dumps(document).decode(), "now": tx.now},
    )
    [row] = await tx.rows("SELECT count(*) AS contents FROM scoring.policies WHERE version = :version", version=version)
    contents: int = row.contents
    return contents


async def recalled(tx: Transaction, version: str) -> list[Mapping[str, Any]]:
    """What a version has said, the latest first."""
    rows = await tx.rows(
        "SELECT document FROM scoring.policies WHERE version = :version ORDER BY first_used_at DESC", version=version
    )
    return [row.document for row in rows]
