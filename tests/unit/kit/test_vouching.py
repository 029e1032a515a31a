"""Whose token something is, asked of another service: seldom, and never guessed while that is away."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from shared.kit.errors import Rejected, Retryable
from shared.kit.vouching import FRESH_SECONDS, KEPT_SECONDS, MOST_KNOWN, Voucher

TOKEN = "lf_abcdefgh_secret"


class Pipeline:
    """The service that knows, as it answers now."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.now = 0.0
        self.voucher = Voucher(
            "http://pipeline/v1/me", transport=httpx.MockTransport(self._answer), clock=lambda: self.now
        )

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.headers["authorization"])
        await asyncio.sleep(0)
        if self.status == 0:
            raise httpx.ConnectError("away", request=request)
        return httpx.Response(self.status, json={"subject": f"kim {len(self.asked)}"})


async def test_a_token_is_asked_about_once_in_a_while_however_many_use_it() -> None:
    pipeline = Pipeline()
    found = await asyncio.gather(*(pipeline.voucher.of(TOKEN) for _ in range(20)))
    assert found == [{"subject": "kim 1"}] * 20
    assert pipeline.asked == [f"Bearer {TOKEN}"]
    pipeline.now += FRESH_SECONDS
    assert (await pipeline.voucher.of(TOKEN))["subject"] == "kim 2"


async def test_what_is_revoked_is_refused_within_two_seconds() -> None:
    pipeline = Pipeline()
    await pipeline.voucher.of(TOKEN)
    pipeline.status = 401
    pipeline.now += FRESH_SECONDS
    with pytest.raises(Rejected) as refused:
        await pipeline.voucher.of(TOKEN)
    assert refused.value.status == 401
    pipeline.status = 0
    with pytest.raises(Rejected):
        await pipeline.voucher.of(TOKEN)
    pipeline.now += FRESH_SECONDS
    with pytest.raises(Retryable):
        await pipeline.voucher.of(TOKEN)


@pytest.mark.parametrize("status", [0, 500, 503])
async def test_while_it_is_away_what_it_said_holds_for_a_while_and_nobody_else_is_called_wrong(status: int) -> None:
    pipeline = Pipeline()
    await pipeline.voucher.of(TOKEN)
    pipeline.status = status
    pipeline.now += KEPT_SECONDS - 1
    assert await pipeline.voucher.of(TOKEN) == {"subject": "kim 1"}
    with pytest.raises(Retryable):
        await pipeline.voucher.of("lf_another_secret")
    pipeline.now += 1
    with pytest.raises(Retryable):
        await pipeline.voucher.of(TOKEN)


@pytest.mark.parametrize("token", ["", "secret", "a.b", "a.b.é", "lf_é", "x" * 20_000 + ".a.b"])
async def test_what_can_be_nobodys_token_is_not_told_to_anybody(token: str) -> None:
    pipeline = Pipeline()
    with pytest.raises(Rejected) as refused:
        await pipeline.voucher.of(token)
    assert refused.value.status == 401
    assert pipeline.asked == []


async def test_tokens_that_are_made_up_do_not_push_out_whoever_is_known() -> None:
    pipeline = Pipeline()
    await pipeline.voucher.of(TOKEN)
    pipeline.status = 401
    for number in range(MOST_KNOWN + 1):
        with pytest.raises(Rejected):
            await pipeline.voucher.of(f"lf_{number}_secret")
    pipeline.status = 503
    pipeline.now += FRESH_SECONDS
    assert await pipeline.voucher.of(TOKEN) == {"subject": "kim 1"}


async def test_whoever_has_no_role_there_has_none_here() -> None:
    pipeline = Pipeline()
    pipeline.status = 403
    assert await pipeline.voucher.of(TOKEN) == {}
