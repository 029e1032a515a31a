"""An audit needs the same memory whatever there is, and whatever of it differs."""

from __future__ import annotations

import subprocess
import sys

import orjson
import pytest

SMALL, LARGE = 10_000, 120_000
SPREAD_MEGABYTES = 10
"""What two runs of the same differ by at most. Keeping a line for each event would be 12 and more."""


def of(size: int) -> dict[str, int]:
    run = [sys.executable, "-m", "tests.unit.cli.big_audit", str(size)]
    found: dict[str, int] = orjson.loads(subprocess.run(run, capture_output=True, check=True, timeout=200).stdout)
    return found


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_twelve_times_the_events_all_of_which_differ_take_no_more_memory() -> None:
    small, large = of(SMALL), of(LARGE)
    assert large["megabytes"] - small["megabytes"] < SPREAD_MEGABYTES, (small, large)
    for size, found in ((SMALL, small), (LARGE, large)):
        assert found["events"] == found["history"] == found["books"] == found["scores"] == size
        assert found["missing"] == size // 10
        assert found["undead"] == size // 20
        assert found["missing_by_day"] == size // 10 + size // 20
        assert found["shown"] <= 60
