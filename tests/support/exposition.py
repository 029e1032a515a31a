"""What a process exposes at /metrics, read as monitoring reads it."""

from __future__ import annotations

import math

from prometheus_client.parser import text_string_to_metric_families


def sample_sum(exposition: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels; 0 where it has none yet.

    Raises `LookupError` where there is no metric of that name: a zero that nobody exposes proves nothing.
    """
    families = [
        family
        for family in text_string_to_metric_families(exposition)
        if name in (family.name, f"{family.name}_total") or any(sample.name == name for sample in family.samples)
    ]
    if not families:
        raise LookupError(f"no metric is called {name}")
    return math.fsum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
