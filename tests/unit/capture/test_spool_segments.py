"""The spool's files over kills, full disks, bit rot and a second process."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.capture.spool import SpoolUnusable
from services.capture.spool.records import Record, encode
from services.capture.spool.segments import Segments
from tests.support.processes import own_folder
from tests.unit.capture.fakes import NOW
from tests.unit.capture.spooled import a_record, drained, taken_over, values


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def kept(directory: Path, *numbers: int, **options: int) -> Segments:
    """Segments with these records, each written by itself."""
    segments, _ = taken_over(directory, **options)
    for number in numbers:
        segments.append(encode([a_record(number)]))
    return segments


def files(directory: Path, ending: str = ".spool") -> list[Path]:
    return sorted(directory.glob(f"*{ending}"), key=lambda path: int(path.stem) if path.stem.isdigit() else 0)


def test_records_come_back_in_order_over_segments_and_nothing_is_left_behind(directory: Path) -> None:
    segments = kept(directory, *range(20), segment_bytes=100)
    assert len(files(directory)) > 3
    assert values(drained(segments)) == [f"v{number}" for number in range(20)]
    assert (segments.size, files(directory)) == (0, [])


def test_what_waits_is_there_for_the_next_process(directory: Path) -> None:
    kept(directory, 1, 2).close()
    segments, seen = taken_over(directory)
    assert values(seen) == ["v1", "v2"]
    segments.append(encode([a_record(3)]))
    assert values(drained(segments)) == ["v1", "v2", "v3"]


def test_what_the_log_has_is_not_sent_again(directory: Path) -> None:
    segments = kept(directory, 1, 2, 3)
    chunk = segments.read(2)
    assert chunk is not None
    segments.advance(chunk.places[-1])
    segments.close()
    assert values(taken_over(directory)[1]) == ["v3"]


def test_without_its_progress_a_segment_is_sent_again_from_the_beginning(directory: Path) -> None:
    segments = kept(directory, 1, 2)
    chunk = segments.read(1)
    assert chunk is not None
    segments.advance(chunk.places[0])
    segments.close()
    (directory / "progress").write_bytes(b"nonsense" * 3)
    assert values(taken_over(directory)[1]) == ["v1", "v2"]


def test_a_new_segment_never_has_the_number_that_progress_was_made_in(directory: Path) -> None:
    segments = kept(directory, 1, 2)
    drained(segments)
    segments.close()
    kept(directory, 3).close()
    assert values(taken_over(directory)[1]) == ["v3"]


def test_a_write_that_was_cut_short_is_cut_off_and_told(directory: Path) -> None:
    kept(directory, 1, 2).close()
    (path,) = files(directory)
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(encode([a_record(3)])[:-1])
    segments, seen = Segments(directory), list[Record]()
    assert segments.open(seen.append) == len(encode([a_record(3)])) - 1
    assert values(seen) == ["v1", "v2"]
    assert path.stat().st_size == whole
    assert segments.aside() == 0


@pytest.mark.logs_errors
def test_damage_is_kept_for_a_person_and_everything_around_it_goes_on(directory: Path) -> None:
    kept(directory, 1, 2, 3).close()
    (path,) = files(directory)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"v2", b"v!"))
    segments, seen = taken_over(directory)
    assert values(seen) == ["v1", "v3"]
    assert segments.aside() == 1
    assert values(drained(segments)) == ["v1", "v3"]
    (aside,) = files(directory, ".aside")
    assert b"v!" in aside.read_bytes()
    assert files(directory) == []


@pytest.mark.logs_errors
def test_damage_that_comes_later_is_found_when_it_is_read(directory: Path) -> None:
    segments = kept(directory, 1, 2, 3)
    (path,) = files(directory)
    path.write_bytes(path.read_bytes().replace(b"v3", b"v!"))
    assert values(drained(segments)) == ["v1", "v2"]
    assert (segments.aside(), files(directory)) == (1, [])


@pytest.mark.logs_errors
def test_only_the_newest_segment_can_end_in_a_write_that_was_cut_short(directory: Path) -> None:
    kept(directory, 1, 2, segment_bytes=1).close()
    older, newest = files(directory)
    for path in (older, newest):
        os.truncate(path, path.stat().st_size - 1)
    _, seen = taken_over(directory)
    assert seen == []
    assert [path.name for path in files(directory, ".aside")] == [older.with_suffix(".aside").name]


def test_only_this_account_can_read_it(directory: Path) -> None:
    directory.mkdir(mode=0o755)
    segments = kept(directory, 1)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    segments.close()


def test_a_second_process_is_told_who_has_it(directory: Path) -> None:
    segments = kept(directory, 1)
    with pytest.raises(SpoolUnusable, match=f"belongs to another process, {os.getpid()}.*CAPTURE_SPOOL_DIR"):
        Segments(directory).open(lambda _: None)
    segments.close()
    assert values(taken_over(directory)[1]) == ["v1"]


def test_a_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("")
    with pytest.raises(SpoolUnusable, match="CAPTURE_SPOOL_DIR"):
        Segments(tmp_path / "spool").open(lambda _: None)


class FullDisk:
    """`write` and `fsync` as a disk that runs full has them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def takes_only(self, count: int) -> None:
        write, left = os.write, [count]

        def some(descriptor: int, data: bytes) -> int:
            if not left[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            written = write(descriptor, memoryview(data)[: left[0]])
            left[0] -= written
            return written

        self._patch.setattr(os, "write", some)

    def fails_to_sync(self) -> None:
        def failing(_: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        self._patch.setattr(os, "fsync", failing)

    def mended(self) -> None:
        self._patch.undo()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    return FullDisk(monkeypatch)


@pytest.mark.parametrize("before", [(), (1,)])
def test_what_a_full_disk_took_in_part_is_not_there_and_the_next_write_is(
    directory: Path, disk: FullDisk, before: tuple[int, ...]
) -> None:
    segments = kept(directory, *before)
    disk.takes_only(5)
    with pytest.raises(OSError, match="No space"):
        segments.append(encode([a_record(8)]))
    disk.mended()
    segments.append(encode([a_record(9)]))
    assert values(drained(segments)) == [*(f"v{number}" for number in before), "v9"]
    assert files(directory) == []


def test_after_a_failed_fsync_a_file_is_never_written_to_again(directory: Path, disk: FullDisk) -> None:
    segments = kept(directory, 1)
    disk.fails_to_sync()
    with pytest.raises(OSError, match="Input/output"):
        segments.append(encode([a_record(2)]))
    disk.mended()
    segments.append(encode([a_record(3)]))
    assert len(files(directory)) == 2
    segments.close()
    segments, seen = taken_over(directory)
    assert values(seen) == ["v1", "v3"]
    assert segments.aside() == 0


@pytest.mark.logs_errors
def test_what_the_log_refuses_for_good_can_be_given_back_under_another_name(directory: Path) -> None:
    segments = kept(directory, 1)
    segments.set_aside(a_record(7), NOW.date())
    assert segments.aside() == 1
    segments.close()
    (directory / f"refused-{NOW.date()}.aside").rename(directory / "0.spool")
    segments, seen = taken_over(directory)
    assert values(seen) == ["v7", "v1"]
    assert values(drained(segments)) == ["v7", "v1"]


class Killed(RuleBasedStateMachine):
    """Any order of writes, reads, advances and kills, each kill with any part of an unfinished write on the disk.
    What was acknowledged comes out in order, nothing is missing, and twice come at most the records of one chunk a kill."""

    AT_ONCE = 3

    @initialize()
    def begin(self) -> None:
        self.folder = own_folder("spool")
        self.directory = self.folder.__enter__() / "spool"
        self.segments = Segments(self.directory, segment_bytes=150)
        self.segments.open(lambda _: None)
        self.acknowledged: list[str] = []
        self.sent: list[str] = []
        self.certain = 0
        self.number = 0

    def _new(self, count: int) -> bytes:
        numbers = range(self.number, self.number + count)
        self.number += count
        return encode(a_record(number) for number in numbers)

    @rule(count=st.integers(1, 4))
    def write(self, count: int) -> None:
        first = self.number
        self.segments.append(self._new(count))
        self.acknowledged += [f"v{number}" for number in range(first, first + count)]

    @rule(advances=st.booleans())
    def send(self, advances: bool) -> None:
        chunk = self.segments.read(self.AT_ONCE)
        if chunk is not None:
            self.sent = self.sent[: self.certain] + values(chunk.records)
            if advances:
                self.segments.advance(chunk.places[-1])
                self.certain = len(self.sent)

    @rule(count=st.integers(1, 3), share=st.floats(0, 1), new=st.booleans())
    def die(self, count: int, share: float, new: bool) -> None:
        """While a write is unfinished: some of its bytes are on the disk, perhaps whole records among them."""
        first = self.number
        data = self._new(count)
        self.segments.close()
        paths = files(self.directory)
        newest = self.directory / f"{10**9 + first}.spool" if new or not paths else paths[-1]
        torn = data[: int(len(data) * share)]
        with newest.open("ab") as file:
            file.write(torn)
        whole = sum(len(encode(map(a_record, range(first, first + n)))) <= len(torn) for n in range(1, count + 1))
        self.acknowledged += [f"v{number}" for number in range(first, first + whole)]
        self.segments = Segments(self.directory, segment_bytes=150)
        waiting: list[Record] = []
        self.segments.open(waiting.append)
        assert values(waiting) == self.acknowledged[self.certain :]

    @invariant()
    def sent_is_a_beginning_of_what_was_acknowledged(self) -> None:
        if hasattr(self, "sent"):
            assert self.sent == self.acknowledged[: len(self.sent)]
            assert len(self.sent) - self.certain <= self.AT_ONCE
            assert self.segments.aside() == 0

    def teardown(self) -> None:
        if hasattr(self, "segments"):
            assert values(drained(self.segments)) == self.acknowledged[self.certain :]
            self.segments.close()
            self.folder.__exit__(None, None, None)


TestKilled = Killed.TestCase
TestKilled.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
