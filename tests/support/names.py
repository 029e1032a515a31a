"""Names that no other test uses."""

from __future__ import annotations

import itertools
import os

_counter = itertools.count(1)


def unique(stem: str) -> str:
    """`stem` with a suffix nobody else has in this run: for topics, groups, folders."""
    return f"{stem}-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-{os.getpid()}-{next(_counter)}"
