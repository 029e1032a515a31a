"""Places where a test can make this process die or stand still, so that "killed at any moment" is tried at the moments
that matter.

`LEADFLOW_FAILPOINT=name[:after]` kills the process with SIGKILL the `after`-th time it comes by (default the first);
`name:after:seconds` holds up its event loop for so long instead, once. Unset, a failpoint costs one look at a module
variable.
"""

from __future__ import annotations

import os
import signal
import time


def _configured() -> tuple[str, int, float]:
    name, _, rest = os.environ.get("LEADFLOW_FAILPOINT", "").partition(":")
    after, _, seconds = rest.partition(":")
    return name, int(after or 1), float(seconds or 0)


_name, _remaining, _stall_seconds = _configured()


def reach(name: str) -> None:
    """Dies or stands still here if this is the place the environment names and its turn has come."""
    global _remaining
    if name != _name or not _name:
        return
    _remaining -= 1
    if _stall_seconds:
        if _remaining == 0:
            time.sleep(_stall_seconds)
    elif _remaining <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
