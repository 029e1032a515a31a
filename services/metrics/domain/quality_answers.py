"""How good the records are, in parts: what they have, what they lack, what came twice or late, and whether all of it is accounted for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from services.metrics.domain.answers import TOTAL, Group, Values, plain
from services.metrics.domain.entries import Measure
from services.metrics.domain.quality import SOON_SECONDS
from services.metrics.domain.quarantine import Held, part

P95 = 0.95


class Records(NamedTuple):
    """Leads created in a window: those with a source, those of whom it was not told by what they can be reached, those without a
    valid e-mail address or number, those with a source of whom there is neither; captures of somebody known; those told late;
    and the two delays of these between which the 95th percentile of all lies, where it lies among them."""

    created: int = 0
    sourced: int = 0
    untold: int = 0
    without_email: int = 0
    without_phone: int = 0
    sourced_only: int = 0
    repeated: int = 0
    late: int = 0
    around: tuple[float, float] | None = None


def records(numbers: Mapping[Measure, int]) -> Records:
    """What was counted of them, as what is told of them."""

    def n(measure: Measure) -> int:
        return numbers.get(measure, 0)

    created = n(Measure.LEAD_CREATED)
    return Records(
        created, created - n(Measure.LEAD_WITHOUT_SOURCE), n(Measure.LEAD_UNTOLD), n(Measure.LEAD_WITHOUT_EMAIL),
        n(Measure.LEAD_WITHOUT_PHONE), n(Measure.LEAD_UNREACHABLE), n(Measure.LEAD_REPEATED), n(Measure.LEAD_LATE),
    )  # fmt: skip


class Standing(NamedTuple):
    """Leads that are open, and those of them that have long stood where they stand."""

    open: int = 0
    stale: int = 0


def in_whole(standing: Mapping[Group | None, tuple[int, float]]) -> dict[Group | None, Standing]:
    """Open leads and how many of them have long stood, as whole leads: in the order of their keys each group has what the sum of all
    up to it is more than the one before, so that they add up to the total."""
    found: dict[Group | None, Standing] = {}
    if TOTAL in standing:
        n, stale = standing[TOTAL]
        found[TOTAL] = Standing(n, _whole(stale))
    before = 0.0
    for group in sorted((one for one in standing if one is not None), key=_in_order):
        n, stale = standing[group]
        found[group] = Standing(n, _whole(before + stale) - _whole(before))
        before += stale
    return found


def _whole(number: float) -> int:
    """The nearest whole number, of two the higher one."""
    return math.floor(number + 0.5)


def _in_order(group: tuple[str | None, ...]) -> list[tuple[bool, str]]:
    return [(part is None, part or "") for part in group]


class Accounts(NamedTuple):
    """How the last audit ended: of so many records of the log, how many were neither fact nor waiting nor dead letter. It
    saw the log as it was when it began."""

    finished_at: datetime
    checked: int
    different: int
    began_at: datetime | None = None


def with_parts(
    records: Mapping[Group | None, Records],
    standing: Mapping[Group | None, Standing] | None,
    accounts: Accounts | None,
    quarantined: Mapping[Group | None, Held] | None = None,
) -> dict[Group | None, Values]:
    """The values of every group: leads of a known source that can be reached, of all; and each part."""
    found: dict[Group | None, Values] = {}
    for group in dict.fromkeys((TOTAL, *records, *(standing or ()), *(quarantined or ()))):
        one = records.get(group, Records())
        good, told = one.sourced - one.sourced_only, one.created - one.untold
        stands = (standing or {}).get(group, Standing())
        found[group] = {
            **share(good, one.created),
            "valid_phone": share(told - one.without_phone, told),
            "valid_email": share(told - one.without_email, told),
            "known_source": share(one.sourced, one.created),
            "duplicate_rate": share(one.repeated, one.created + one.repeated),
            "ingest_delay": delay(one.created, one.late, one.around),
            **({"stale": share(stands.stale, stands.open)} if standing is not None else {}),
            **({"quarantined": part(quarantined.get(group, Held()))} if quarantined is not None else {}),
        }
    found[TOTAL]["unaccounted"] = (
        {"value": None, "n": 0, "audited_at": None, "log_as_of": None}
        if accounts is None
        else {
            "value": accounts.different,
            "n": accounts.checked,
            "audited_at": accounts.finished_at,
            "log_as_of": accounts.began_at,
        }
    )
    return found


def share(part: int, whole: int) -> Values:
    """A part with its numbers."""
    return plain(part / whole if whole else None, part, whole, whole)


def place_of(n: int, late: int) -> float:
    """Where the 95th percentile of all lies among the late ones in their order, from 0; below that, among those told of at once."""
    return (n - 1) * P95 - (n - late)


def delay(n: int, late: int, around: tuple[float, float] | None) -> Values:
    """The 95th percentile of how long after it happened a lead was told of. Where it lies among those told of at once it is not
    known to the second, only that it is no more than `at_most`."""
    if not n:
        return {"value": None, "n": 0, "late": 0}
    place = place_of(n, late)
    if place < 0 or around is None:
        return {"value": None, "at_most": SOON_SECONDS, "n": n, "late": late}
    low, high = around
    return {"value": low + (high - low) * (place - math.floor(place)), "n": n, "late": late}
