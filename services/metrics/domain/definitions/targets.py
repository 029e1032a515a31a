"""What is told of targets, and of what is still to come."""

from __future__ import annotations

from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import Accuracy, Attainment, Coverage, Definition, Pace, Weighted

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "weighted_forecast", "currency", "period", Weighted(Measure.OPPORTUNITY_OPEN, Measure.OPPORTUNITY_WON),
        "Σ value of opportunities won in the window + Σ amount × probability of the stage of open ones expected to close in it; "
        "sd = √Σ amount² × probability × (1 − probability)",
        "deals are taken to be won or lost independently of each other; a date that nobody moves makes a deal overdue",
        "forecast_accuracy",
    ),
    Definition(
        "forecast_accuracy", "ratio", "period", Accuracy(),
        "WAPE: Σ |forecast − won| ÷ Σ won over whole periods in the window, of forecasts frozen 90, 60, 30 and 0 days before each began; "
        "bias beside it: Σ (forecast − won) ÷ Σ won. The value is that of the combined forecast at 0 days",
        "what was not frozen then is not known: periods without a frozen forecast are not counted", "weighted_forecast",
    ),
    Definition(
        "pipeline_coverage", "ratio", "period", Coverage(),
        "Σ amount of open opportunities expected to close in the window ÷ (target for sales_volume − won so far); `needed` beside it "
        "is 1 ÷ the share won of those decided in the year up to as_of",
        "open value that will never close covers as much as any", "weighted_forecast",
    ),
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
