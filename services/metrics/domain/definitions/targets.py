"""What is told of targets."""

from __future__ import annotations

from services.metrics.domain.forms import Attainment, Definition, Pace

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "target_attainment", "ratio", "period", Attainment(),
        "the number that `of` names ÷ the target set for it, of the same window and cut",
        "targets of owners do not add up to the team's: each has its own or none", "pace",
    ),
    Definition(
        "pace", "ratio", "period", Pace(),
        "counts and sums: actual ÷ (target × share of the window that has passed); rates and means: actual ÷ where a straight "
        "line from the baseline to the target is by now",
        "a straight line knows nothing of seasons; what is decided late looks behind until then", "target_attainment",
    ),
)  # fmt: skip
