"""How good the records of leads are, in parts."""

from __future__ import annotations

import statistics
from datetime import timedelta

from tests.integration.metrics.naive.asked import PERIODS, Asked, Group, Number

STALE_DAYS = 60
SOON_SECONDS = 60.0


def records(asked: Asked) -> dict[Group | None, Number]:
    """The numbers of every group; leads that stand still are those of now, and so of no period."""
    found: dict[Group | None, Number] = {}
    for group, lines in asked.groups().items():
        n, told, again = len(lines["created"]), len(lines["records: told of"]), len(lines["records: again"])
        waits = sorted(line.seconds or 0.0 for line in lines["records: delays"])
        waits = [wait if wait > SOON_SECONDS else 0.0 for wait in waits]
        found[group] = {
            **_share(len(lines["records: good"]), n),
            "valid_phone": _share(len(lines["records: by phone"]), told),
            "valid_email": _share(len(lines["records: by email"]), told),
            "known_source": _share(len(lines["records: sourced"]), n),
            "duplicate_rate": _share(again, n + again),
        }
        if waits and waits[int((n - 1) * 0.95)]:
            quantiles = statistics.quantiles(waits, n=100, method="inclusive") if n > 1 else waits * 99
            found[group]["ingest_delay"] = {"value": quantiles[94]}
    if not {*asked.cuts}.intersection(PERIODS):
        since = asked.as_of - timedelta(days=STALE_DAYS)
        for group, lines in asked.groups(of_now=True).items():
            still = lines["standing"]
            number = found.setdefault(group, {"value": None})
            number["stale"] = _share(sum(line.at <= since for line in still), len(still))
    return found


def _share(part: int, whole: int) -> Number:
    return {"value": part / whole if whole else None, "numerator": part, "denominator": whole}
