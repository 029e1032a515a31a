"""The bytes of the spool: what was written whole is found whole, whatever happened beside it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture.spool.records import MARK, Record, encode, find
from tests.unit.capture.spooled import RECORDS, a_record


def readable(data: bytes) -> list[Record]:
    return [found.record for found in find(data) if found.record is not None]


@given(RECORDS)
def test_what_is_written_is_read(records: list[Record]) -> None:
    assert readable(encode(records)) == records


@settings(max_examples=50)
@given(RECORDS)
def test_cut_off_at_any_byte_every_record_before_is_there_and_no_other(records: list[Record]) -> None:
    data = encode(records)
    ends = [len(encode(records[:count])) for count in range(len(records) + 1)]
    for cut in range(len(data) + 1):
        whole = sum(end <= cut for end in ends) - 1
        found = list(find(data[:cut]))
        assert [one.record for one in found if one.record is not None] == records[:whole]
        assert sum(one.record is None for one in found) == (cut not in ends), "a tear is one stretch, at the end"


@given(RECORDS.filter(len), st.data())
def test_a_changed_byte_costs_its_own_record_and_no_other(records: list[Record], data: st.DataObject) -> None:
    written = bytearray(encode(records))
    place = data.draw(st.integers(0, len(written) - 1))
    written[place] ^= data.draw(st.integers(1, 255))
    hit = next(count for count in range(len(records)) if place < len(encode(records[: count + 1])))
    assert readable(bytes(written)) == records[:hit] + records[hit + 1 :]


@given(RECORDS, st.binary(max_size=60), RECORDS)
def test_between_garbage_records_are_found(before: list[Record], garbage: bytes, after: list[Record]) -> None:
    found = readable(encode(before) + garbage + encode(after))
    assert [one for one in found if one in before + after] == before + after


def test_a_disk_that_gave_zeros_and_a_mark_without_a_record_are_passed_over() -> None:
    data = bytes(64) + MARK + b"\xff" * 30 + encode([a_record(1)])
    assert list(find(data)) == [(None, 98), (a_record(1), len(data))]
