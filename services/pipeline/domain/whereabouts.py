"""In which time zones somebody may be, by what is known of them: what they said, their country, their number, the unit that has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import phonenumbers.timezone
from phonenumbers import NumberParseException

UNKNOWN_ZONE = "Etc/Unknown"

WIDEST = timedelta(hours=9)
"""Zones further apart than that, as those of a number that is free to call, say nothing of where somebody is."""


TELLS_WHERE = ("time_zone", "country", "phone")
"""What is asked of what is known of somebody."""


def zones_of(known: Mapping[str, object], unit: ZoneInfo, at: datetime) -> list[ZoneInfo]:
    """Where a lead may be: in the zone that was said; else in those of their country, of which those of their number where they are
    among them; else in those of the number; else where the unit is. Each zone counts."""
    said = _zones([str(known.get("time_zone") or UNKNOWN_ZONE)])
    of_country, of_number = _of_country(known.get("country")), _of_number(known.get("phone"))
    narrowed = [zone for zone in of_country if zone in of_number]
    return next((one for one in (said, narrowed, of_country, of_number) if _says_where(one, at)), [unit])


def _says_where(zones: list[ZoneInfo], at: datetime) -> bool:
    offsets = [at.astimezone(zone).utcoffset() or timedelta() for zone in zones]
    return bool(offsets) and max(offsets) - min(offsets) <= WIDEST


def _of_country(country: object) -> list[ZoneInfo]:
    return _zones(_countries().get(str(country).upper(), ()))


def _of_number(phone: object) -> list[ZoneInfo]:
    try:
        return _zones(phonenumbers.timezone.time_zones_for_number(phonenumbers.parse(str(phone))))
    except NumberParseException:
        return []


@lru_cache(maxsize=1)
def _countries() -> Mapping[str, tuple[str, ...]]:
    """The zones of each country, as the database of time zones has them."""
    found: dict[str, tuple[str, ...]] = {}
    for line in files("tzdata.zoneinfo").joinpath("zone.tab").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            country, _, name, *_ = line.split("\t")
            found[country] = (*found.get(country, ()), name)
    return found


def _zones(names: Iterable[str]) -> list[ZoneInfo]:
    found = (_zone(name) for name in names if name != UNKNOWN_ZONE)
    return [zone for zone in found if zone is not None]


@lru_cache(maxsize=1_024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
