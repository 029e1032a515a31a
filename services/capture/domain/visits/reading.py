"""The fold: fields about a visit become campaign fields, a few plain facts, and click ids. What is sent for this and
cannot be read costs a flag, never the lead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.capture.domain.faults import Fault
from services.capture.domain.fields import CAMPAIGN_TEXTS, VISIT_TEXTS, TextField
from services.capture.domain.visits.campaigns import CAMPAIGN_PARAMETERS, CLICK_IDS, campaign_of, clicks_of
from services.capture.domain.visits.pages import Page, read_page, same_site
from services.capture.domain.visits.referrers import Referrer, referrer_of

_PAGES = ("url", "landing_page", "referrer")
_PARAMETERS = frozenset(CAMPAIGN_PARAMETERS) | frozenset(CLICK_IDS)
VISIT_FIELDS = frozenset(VISIT_TEXTS) | _PARAMETERS
"""Every field that tells about a visit."""

_CAMPAIGN = frozenset(CAMPAIGN_TEXTS)


class Browser(NamedTuple):
    """What a browser says it is."""

    name: str | None
    os: str | None
    device: str | None
    bot: bool


def unread_browser(user_agent: str) -> Browser:
    """No browser: where there is nobody who can read what one says."""
    return Browser(None, None, None, bot=False)


ReadBrowser = Callable[[str], Browser]


@dataclass(slots=True)
class Visit:
    """What was understood: `texts` that fill campaign fields, `facts` for the attributes, ids of single clicks, flags."""

    texts: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    click_ids: dict[str, str] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    page: str | None = None


def read_visit(
    sent: Mapping[str, object], given: Mapping[str, str], own_hosts: frozenset[str], read_browser: ReadBrowser
) -> Visit:
    """`given` are the campaign fields the sender filled in: they stand, and only what agrees with them is added."""
    visit = Visit()
    texts = {name: text for name in sent if (text := _text(name, sent[name], visit)) is not None}
    pages = _read_pages(texts, visit)
    told = {name: texts[name] for name in _PARAMETERS & texts.keys()}
    tagged = [told, *(pages[name].parameters for name in ("url", "landing_page") if name in pages)]
    for parameters in tagged:
        for name, value in clicks_of(parameters).items():
            visit.click_ids.setdefault(name, value)
    came_from = _referrer(pages, own_hosts)
    _attribute(visit, given, tagged, came_from)
    for name in ("url", "landing_page"):
        if name in pages:
            visit.facts["page" if name == "url" else name] = str(pages[name])
    if "url" in pages:
        visit.page = pages["url"].path or "/"
    if came_from is not None:
        visit.facts["referrer"] = pages["referrer"].host
    if visit.click_ids:
        visit.facts["click_id"] = _strongest(visit.click_ids)
    if "user_agent" in texts:
        _browser(visit, read_browser(texts["user_agent"]))
    return visit


def _text(name: str, value: object, visit: Visit) -> str | None:
    """One field's text. What is none costs a flag."""
    faults: list[Fault] = []
    text = (VISIT_TEXTS.get(name) or _PARAMETER).read(value, faults)
    if faults:
        visit.flags.append(f"invalid_{name}")
    return text


_PARAMETER = TextField("parameter", 2_000, VISIT_TEXTS["url"].clean, "a parameter of a link", "spring")


def _read_pages(texts: Mapping[str, str], visit: Visit) -> dict[str, Page]:
    pages: dict[str, Page] = {}
    for name in _PAGES:
        if name in texts:
            page = read_page(texts[name])
            if page is not None:
                pages[name] = page
            elif name != "referrer" or texts[name] not in ("direct", "(direct)", "about:blank", "null", "none"):
                visit.flags.append(f"invalid_{name}")
    return pages


def _referrer(pages: Mapping[str, Page], own_hosts: frozenset[str]) -> Referrer | None:
    """Who sent the visitor. A page of our own did not."""
    page = pages.get("referrer")
    if page is None or not page.host:
        return None
    ours = own_hosts | {pages[name].host for name in ("url", "landing_page") if name in pages}
    if any(same_site(page.host, own) for own in ours):
        return None
    return referrer_of(page.host, app=page.scheme.endswith("-app"))


def _attribute(
    visit: Visit, given: Mapping[str, str], tagged: list[Mapping[str, str]], came_from: Referrer | None
) -> None:
    """Fills the campaign fields: from the first tags there are, else from the click, else from the referrer. Tags that
    contradict what the sender says are about another visit, and fill nothing."""
    campaign = next((found for parameters in tagged if (found := campaign_of(parameters))), None)
    if campaign is None and not _CAMPAIGN.isdisjoint(given):
        return
    if campaign is None:
        source: tuple[str, str] | None = came_from
        if visit.click_ids:
            click = CLICK_IDS[_strongest(visit.click_ids)]
            # A network's id beside a referrer says no more than that referrer, unless it proves that the click was paid for.
            source = came_from if came_from is not None and click.medium == "social" else click
        campaign = {} if source is None else {"source": source[0], "medium": source[1]}
    for name, value in campaign.items():
        sent = given.get(name)
        if sent is not None and sent.casefold() != value.strip().casefold():
            visit.flags.append("other_campaign_in_link")
            return
    for name, value in campaign.items():
        text = None if name in given else CAMPAIGN_TEXTS[name].read(value, [])
        if text is not None:
            visit.texts[name] = text


def _strongest(click_ids: Mapping[str, str]) -> str:
    """The click id that proves most."""
    return next(name for name in CLICK_IDS if name in click_ids)


def _browser(visit: Visit, browser: Browser) -> None:
    for name, value in (("browser", browser.name), ("os", browser.os), ("device", browser.device)):
        if value is not None:
            visit.facts[name] = value
    if browser.bot:
        visit.flags.append("bot")
