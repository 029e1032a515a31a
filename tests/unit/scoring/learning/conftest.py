"""Every test of learning takes one thread, as learning does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.scoring.learning.boosting import one_thread


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield
