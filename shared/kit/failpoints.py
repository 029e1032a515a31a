"""Places where a test can make this process die, so that "killed at any moment" is tried at the moments that matter.

`LEADFLOW_FAILPOINT=name[:after]` kills the process with SIGKILL the `after`-th time it comes by (default the first).
Unset, a failpoint costs one look at a module variable.
"""

from __future__ import annotations

import os
import signal


def _configured() -> tuple[str, int]:
    name, _, after = os.environ.get("LEADFLOW_FAILPOINT", "").partition(":")
    return name, int(after or 1)


_name, _remaining = _configured()


def reach(name: str) -> None:
    """Dies here if this is the place the environment names and its turn has come."""
    global _remaining
    if name != _name or not _name:
        return
    _remaining -= 1
    if _remaining <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
