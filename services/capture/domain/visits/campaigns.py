"""What the parameters of a link say about where somebody came from: campaign tags, and the ids that advertising
platforms and networks add when one of their links is followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

CAMPAIGN_PARAMETERS: Mapping[str, str] = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "campaign",
    "utm_content": "content",
    "utm_term": "term",
}


class ClickId(NamedTuple):
    """Who adds a parameter to links, and what it proves: `cpc` that somebody paid for the click, else only where it was."""

    source: str
    medium: str


CLICK_IDS: Mapping[str, ClickId] = {
    "gclid": ClickId("google", "cpc"),
    "gbraid": ClickId("google", "cpc"),
    "wbraid": ClickId("google", "cpc"),
    "dclid": ClickId("google", "display"),
    "msclkid": ClickId("bing", "cpc"),
    "yclid": ClickId("yandex", "cpc"),
    "ttclid": ClickId("tiktok", "cpc"),
    "li_fat_id": ClickId("linkedin", "cpc"),
    "twclid": ClickId("twitter", "cpc"),
    "rdt_cid": ClickId("reddit", "cpc"),
    "sccid": ClickId("snapchat", "cpc"),
    "qclid": ClickId("quora", "cpc"),
    "tblci": ClickId("taboola", "cpc"),
    "dicbo": ClickId("outbrain", "cpc"),
    # These stand on every link of the network, paid for or not.
    "fbclid": ClickId("facebook", "social"),
    "igshid": ClickId("instagram", "social"),
    "igsh": ClickId("instagram", "social"),
    "epik": ClickId("pinterest", "social"),
    "srsltid": ClickId("google", "organic"),
    "irclickid": ClickId("impact", "affiliate"),
    "mc_eid": ClickId("mailchimp", "email"),
    "_hsenc": ClickId("hubspot", "email"),
}
"""Parameters by name, those that prove most first. Their values single out one click of one person."""

MAX_CLICK_ID = 500


def campaign_of(parameters: Mapping[str, str]) -> dict[str, str]:
    """The campaign fields that a link's tags fill."""
    return {field: parameters[name] for name, field in CAMPAIGN_PARAMETERS.items() if name in parameters}


def clicks_of(parameters: Mapping[str, str]) -> dict[str, str]:
    """The click ids among a link's parameters, by name, those that prove most first."""
    return {name: parameters[name][:MAX_CLICK_ID] for name in CLICK_IDS if parameters.get(name)}
