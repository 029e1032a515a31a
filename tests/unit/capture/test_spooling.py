"""A log with a spool beside it: what goes where, in which order, and what callers are told."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.capture.log import SPOOLED, Outcome
from services.capture.spool import SpoolFull, SpoolUnusable
from services.capture.spool.spooling import SpoolingLog
from shared.kit.errors import Rejected, Retryable
from tests.support.clock import FakeClock
from tests.support.exposition import sample_sum
from tests.support.patience import eventually
from tests.unit.capture.fakes import NOW, FakeLog, a_client, problem, the_app
from tests.unit.capture.log_contract import LogContract, ReadBack
from tests.unit.capture.spooled import a_spool, a_spooling_log


class TestWhileTheLogIsThere(LogContract):
    """It is a log like any other."""

    @pytest.fixture
    def topic(self) -> str:
        return "t"

    @pytest.fixture
    def direct(self) -> FakeLog:
        return FakeLog()

    @pytest.fixture
    async def log(self, direct: FakeLog, tmp_path: Path) -> AsyncIterator[SpoolingLog]:
        async with a_spooling_log(direct, tmp_path / "spool") as (spooling, _):
            yield spooling

    @pytest.fixture
    def read_back(self, direct: FakeLog) -> ReadBack:
        async def read() -> list[tuple[bytes, bytes]]:
            return [(key, value) for _, key, value in direct.records]

        return read

    @pytest.fixture
    async def away(self, tmp_path: Path) -> AsyncIterator[SpoolingLog]:
        """Neither the log nor the spool takes anything."""
        gone = FakeLog()
        gone.away = True
        async with a_spooling_log(gone, tmp_path / "away", max_bytes=0) as (spooling, _):
            yield spooling


def said(log: FakeLog) -> list[str]:
    return [value.decode() for _, _, value in log.records]


async def send(log: SpoolingLog, *said: tuple[str, str]) -> list[Outcome]:
    """Keys and values, sent together."""
    return await log.send_many("t", [(key.encode(), value.encode()) for key, value in said])


async def test_what_the_log_does_not_take_is_kept_and_sent_when_it_is_back(log: FakeLog, tmp_path: Path) -> None:
    async with a_spooling_log(log, tmp_path / "spool") as (spooling, spool):
        log.away = True
        assert await spooling.send("t", b"k", b"1") is SPOOLED
        assert await send(spooling, ("k", "2"), ("j", "3")) == [SPOOLED, SPOOLED]
        assert spool.records == 3
        log.away = False
        await eventually(lambda: spool.records == 0)
        assert said(log) == ["1", "2", "3"]
        assert await spooling.send("t", b"k", b"4") is None


async def test_a_log_that_stands_still_is_waited_for_once_and_not_by_everybody(log: FakeLog, tmp_path: Path) -> None:
    log.gate = asyncio.Event()
    async with a_spooling_log(log, tmp_path / "spool", patience_seconds=0.05) as (spooling, _):
        assert await spooling.send("t", b"a", b"1") is SPOOLED
        asked = log.calls
        for number in range(20):
            assert await spooling.send("t", b"b", str(number).encode()) is SPOOLED
        assert log.calls <= asked + 1, "only the spool itself asks"


async def test_a_log_that_is_known_to_be_away_is_not_asked(log: FakeLog, tmp_path: Path) -> None:
    async with a_spooling_log(log, tmp_path / "spool", answers=lambda: False) as (spooling, spool):
        assert await spooling.send("t", b"k", b"1") is SPOOLED
        await asyncio.sleep(0.2)
        assert (log.calls, spool.records) == (0, 1)


async def test_while_a_lead_has_events_in_the_spool_its_later_ones_wait_behind_them_and_nobody_elses(
    log: FakeLog, tmp_path: Path
) -> None:
    answers = False
    async with a_spooling_log(log, tmp_path / "spool", answers=lambda: answers, drain_per_second=10) as (
        spooling,
        spool,
    ):
        await send(spooling, *(("slow", f"s{number}") for number in range(5)))
        answers = True
        await eventually(lambda: "s0" in said(log))
        outcomes = await send(spooling, ("slow", "s5"), ("other", "o1"), ("slow", "s6"))
        assert outcomes == [SPOOLED, None, SPOOLED]
        await eventually(lambda: spool.records == 0)
    assert [one for one in said(log) if one.startswith("s")] == [f"s{number}" for number in range(7)]
    assert said(log).index("o1") < said(log).index("s4")


async def test_it_is_emptied_no_faster_than_it_may_be(log: FakeLog, tmp_path: Path) -> None:
    log.away = True
    async with a_spooling_log(log, tmp_path / "spool", drain_per_second=200) as (spooling, spool):
        await send(spooling, *((f"k{number}", "v") for number in range(100)))
        log.away = False
        await eventually(lambda: log.records)
        began = asyncio.get_running_loop().time()
        await eventually(lambda: spool.records == 0, every_seconds=0.005)
        assert asyncio.get_running_loop().time() - began > 0.25


async def test_what_waits_gives_way_to_live_events(log: FakeLog, tmp_path: Path) -> None:
    log.away = True
    async with a_spooling_log(log, tmp_path / "spool") as (spooling, _):
        await spooling.send("t", b"k", b"spooled")
    log.away, log.gate = False, asyncio.Event()
    async with a_spooling_log(log, tmp_path / "spool", drain_per_second=1, patience_seconds=5.0) as (spooling, _):
        live = asyncio.create_task(spooling.send("t", b"other", b"live"))
        await asyncio.sleep(0.2)
        assert log.calls == 2, "one that failed, and the live one"
        log.gate.set()
        await live
        await eventually(lambda: len(log.records) == 2)
    assert said(log) == ["live", "spooled"]


async def test_an_event_the_log_refuses_for_good_is_set_aside_and_the_rest_goes_on(
    log: FakeLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log.away, log.max_message_bytes = True, 10
    async with a_spooling_log(log, tmp_path / "spool") as (spooling, spool):
        await send(spooling, ("a", "1"), ("b", "x" * 11), ("c", "3"))
        log.away = False
        await eventually(lambda: spool.records == 0)
    assert said(log) == ["1", "3"]
    assert b"x" * 11 in (tmp_path / "spool" / f"refused-{NOW.date()}.aside").read_bytes()


async def test_what_no_log_could_take_is_refused_and_not_kept(log: FakeLog, tmp_path: Path) -> None:
    log.away = True
    async with a_spooling_log(log, tmp_path / "spool", max_bytes=5_000_000) as (spooling, spool):
        small, large = await send(spooling, ("a", "1"), ("a", "x" * 900_001))
        assert small is SPOOLED
        assert isinstance(large, Rejected)
        assert large.status == 413
        assert spool.records == 1


async def test_a_full_spool_refuses_and_what_it_has_is_not_touched(log: FakeLog, tmp_path: Path) -> None:
    log.away = True
    async with a_spooling_log(log, tmp_path / "spool", answers=lambda: not log.away, max_bytes=1000) as (
        spooling,
        spool,
    ):
        outcomes = [(await send(spooling, (f"k{number}", "v" * 100)))[0] for number in range(9)]
        assert outcomes[:7] == [SPOOLED] * 7
        assert all(isinstance(outcome, SpoolFull) and outcome.retry_after_seconds >= 10 for outcome in outcomes[7:])
        assert spool.records == 7
        with pytest.raises(RuntimeError, match="no room"):
            await spooling.check()
        log.away = False
        await eventually(lambda: spool.records == 0)
        await spooling.check()
        assert len(log.records) == 7


async def test_many_share_one_fsync(log: FakeLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync, count = os.fsync, 0

    def counted(descriptor: int) -> None:
        nonlocal count
        count += 1
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    async with a_spooling_log(log, tmp_path / "spool", answers=lambda: False) as (spooling, spool):
        outcomes = await asyncio.gather(*(spooling.send("t", f"k{number}".encode(), b"v") for number in range(500)))
        assert outcomes == [SPOOLED] * 500
        assert spool.records == 500
    assert count < 50


@pytest.mark.logs_errors
@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, SpoolFull), (errno.EIO, Retryable)])
async def test_what_the_disk_does_not_take_is_not_acknowledged_and_the_log_is_asked_again(
    log: FakeLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Retryable]
) -> None:
    log.away = True
    async with a_spooling_log(log, tmp_path / "spool") as (spooling, spool):
        with monkeypatch.context() as disk:

            def broken(*_: object) -> int:
                raise OSError(number, os.strerror(number))

            disk.setattr(os, "write", broken)
            with pytest.raises(error):
                await spooling.send("t", b"k", b"lost")
            assert spool.records == 0
            log.away = False
            assert await spooling.send("t", b"k", b"1") is None
        log.away = True
        assert await spooling.send("t", b"k", b"2") is SPOOLED
        log.away = False
        await eventually(lambda: said(log) == ["1", "2"])


async def test_a_disk_that_stands_still_costs_a_deadline(
    log: FakeLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, fsync = asyncio.Event(), os.fsync
    loop = asyncio.get_running_loop()

    def slow(descriptor: int) -> None:
        asyncio.run_coroutine_threadsafe(released.wait(), loop).result()
        fsync(descriptor)

    async with a_spooling_log(log, tmp_path / "spool", answers=lambda: False, deadline_seconds=0.1) as (
        spooling,
        spool,
    ):
        monkeypatch.setattr(os, "fsync", slow)
        with pytest.raises(Retryable, match="disk"):
            await spooling.send("t", b"k", b"1")
        released.set()
        assert await spooling.send("t", b"k", b"2") is SPOOLED
        assert spool.records == 2, "what was not acknowledged in time may still be sent"


async def test_what_waits_at_the_end_is_there_at_the_next_start(log: FakeLog, tmp_path: Path) -> None:
    log.away = True
    async with a_spooling_log(log, tmp_path / "spool") as (spooling, _):
        await send(spooling, ("k", "1"), ("k", "2"))
    log.away = False
    async with a_spooling_log(log, tmp_path / "spool", drain_per_second=5) as (spooling, spool):
        assert await spooling.send("t", b"k", b"3") is SPOOLED, "behind what its lead has there"
        await eventually(lambda: spool.records == 0)
    assert said(log) == ["1", "2", "3"]


@pytest.mark.logs_errors
async def test_what_cannot_be_read_any_more_is_waited_for_by_nobody(log: FakeLog, tmp_path: Path) -> None:
    answers = False
    async with a_spooling_log(log, tmp_path / "spool", answers=lambda: answers) as (spooling, spool):
        await spooling.send("t", b"k", b"good")
        await eventually(lambda: spool._segments.size)
        (path,) = (tmp_path / "spool").glob("*.spool")
        await spooling.send("t", b"k", b"bad")
        path.write_bytes(path.read_bytes().replace(b"bad", b"BAD"))
        answers = True
        await eventually(lambda: spool.records == 0)
        assert await spooling.send("t", b"k", b"next") is None
    assert said(log) == ["good", "next"]


async def test_the_age_of_the_oldest_is_told_over_restarts(log: FakeLog, tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    log.away = True
    async with a_spooling_log(log, tmp_path / "spool", clock=clock) as (spooling, _):
        await spooling.send("t", b"k", b"1")
    clock.advance(timedelta(minutes=7))
    spool = a_spool(tmp_path / "spool", clock=clock)
    async with spool.opened():
        assert spool._oldest_age_seconds() == 420


async def test_two_spools_never_share_a_directory(log: FakeLog, tmp_path: Path) -> None:
    async with a_spooling_log(log, tmp_path / "spool"):
        with pytest.raises(SpoolUnusable):
            async with a_spooling_log(log, tmp_path / "spool"):
                raise AssertionError("it was opened")


class TestOverHTTP:
    """What senders see with the spool on."""

    async def test_a_lead_that_waits_is_202_and_says_so(self, log: FakeLog, tmp_path: Path) -> None:
        app = the_app(log, spool_dir=tmp_path / "spool")
        async with app.router.lifespan_context(app), a_client(app) as client:
            there = await client.post("/v1/leads", json={"email": "ada@example.com"})
            assert there.status_code == 202
            assert "spooled" not in there.json()
            log.away = True
            one = await client.post("/v1/leads", json={"email": "ada@example.com"})
            assert (one.status_code, one.json()["spooled"]) == (202, True)
            many = await client.post("/v1/leads:batch", json=[{}, {"name": []}, {}])
            assert many.status_code == 207
            assert many.json()["accepted"] == 2
            assert [item.get("spooled") for item in many.json()["items"]] == [True, None, True]
            shown = (await client.get("/metrics")).text
            assert sample_sum(shown, "leadflow_capture_spool_records") == 3
            assert sample_sum(shown, "leadflow_capture_spooled_total") == 3
            assert sample_sum(shown, "leadflow_capture_leads_accepted_total") == 4
            log.away = False
            await eventually(lambda: len(log.records) == 4)

    async def test_a_full_spool_is_507_for_one_and_for_many(self, log: FakeLog, tmp_path: Path) -> None:
        app = the_app(log, spool_dir=tmp_path / "spool", spool_max_bytes=1024 * 1024)
        async with app.router.lifespan_context(app), a_client(app) as client:
            log.away = True
            large = {"message": "x" * 9_000}
            answers = [await client.post("/v1/leads:batch", json=[large] * 40) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [202, 202, 507, 507]
            assert int(answers[-1].headers["retry-after"]) >= 10
            assert {item["status"] for item in answers[-1].json()["items"]} == {507}
            assert answers[-1].json()["items"][0]["problem"]["type"] == "urn:leadflow:problem:spool-full"
            small = 202
            while small == 202:
                answer = await client.post("/v1/leads", json=large)
                small = answer.status_code
            assert int(answer.headers["retry-after"]) >= 10
            problem(answer, 507, "spool-full")
