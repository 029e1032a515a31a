"""What is told of the records themselves."""

from __future__ import annotations

from services.metrics.domain.forms import DataQuality, Definition

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "data_quality", "ratio", "period", DataQuality(),
        "leads created in the window that have a valid e-mail address or number and a known source ÷ leads created. Beside it "
        "valid_phone, valid_email and known_source of them; duplicate_rate, captures of somebody known ÷ all captures; "
        "ingest_delay, the 95th percentile of recorded − occurred; stale, of the leads open at as_of those that have stood in their status "
        "for longer than the policy's hygiene.stale_days; quarantined, what came in the window and could not be taken in, with how much of it "
        "is open, released and given_up, by business unit, channel and period; unaccounted, accepted events that the last audit found nowhere: it must be 0",
        "a valid number is no right number", "leads_created",
    ),
)  # fmt: skip
