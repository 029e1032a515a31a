"""How much is tried: a little in every run, and with `make fuzz` more than ten thousand inputs."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

FULL = int(os.environ.get("FUZZ_EXAMPLES", "0"))


def examples(few: int, times: float = 1.0) -> settings:
    """So many examples in every run, and in a long one `times` as many as that asks for; a busy machine is no failure."""
    return settings(
        max_examples=int(FULL * times) or few,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )
