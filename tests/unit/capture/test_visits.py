"""How somebody came: pages, tags, click ids, referrers and browsers, understood and kept without what gives people away."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture.browsers import read_browser
from services.capture.domain.fields import VISIT_TEXTS
from services.capture.domain.visits import VISIT_FIELDS, read_visit
from services.capture.domain.visits.campaigns import CAMPAIGN_PARAMETERS, CLICK_IDS
from services.capture.domain.visits.pages import HIDDEN, read_page
from services.capture.domain.visits.referrers import referrer_of
from shared.contracts.policy import Policy, UnitPolicy
from tests.unit.capture.fakes import interaction, lead, the_rules

A_LEAD = {"email": "ada@example.com"}
CAMPAIGN = ("source", "medium", "campaign", "content", "term")
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)


def came(**fields: Any) -> tuple[str | None, ...]:
    """Source, medium, campaign, content and term of a lead with these fields."""
    event = lead(A_LEAD | fields)
    return tuple(getattr(event, name) for name in CAMPAIGN)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"url": "https://we.example/?utm_source=google&utm_medium=cpc&utm_campaign=spring&utm_term=crm&utm_content=b"},
         ("google", "cpc", "spring", "b", "crm")),
        ({"url": "/pricing?UTM_Source=News%20letter&utm_source=other"}, ("News letter", None, None, None, None)),
        ({"landing_page": "https://we.example/?utm_source=bing", "url": "https://we.example/contact"},
         ("bing", None, None, None, None)),
        # The page itself is tagged: that is the later visit.
        ({"landing_page": "https://we.example/?utm_source=bing", "url": "/a?utm_source=x"}, ("x", None, None, None, None)),
        ({"utm_source": "google", "utm_medium": "cpc", "url": "/a?utm_source=x"}, ("google", "cpc", None, None, None)),
        # What the sender says stands; the link completes it, or is about another visit.
        ({"source": "Google", "url": "/?utm_source=google&utm_medium=cpc"}, ("Google", "cpc", None, None, None)),
        ({"source": "fair", "url": "/?utm_source=google&utm_medium=cpc"}, ("fair", None, None, None, None)),
        # A click id says where from when no tag does.
        ({"url": "https://we.example/?gclid=Cj0K"}, ("google", "cpc", None, None, None)),
        ({"gclid": "Cj0K"}, ("google", "cpc", None, None, None)),
        ({"url": "/?msclkid=a"}, ("bing", "cpc", None, None, None)),
        ({"url": "/?ttclid=a"}, ("tiktok", "cpc", None, None, None)),
        ({"url": "/?li_fat_id=a"}, ("linkedin", "cpc", None, None, None)),
        ({"url": "/?fbclid=a&gclid=b"}, ("google", "cpc", None, None, None)),
        ({"url": "/?gclid=a&utm_source=partner"}, ("partner", None, None, None, None)),
        ({"source": "fair", "url": "/?gclid=a"}, ("fair", None, None, None, None)),
        # Facebook marks every link, so its id proves the network and no advertisement.
        ({"url": "/?fbclid=a", "referrer": "https://l.instagram.com/"}, ("instagram", "social", None, None, None)),
        ({"url": "/?fbclid=a"}, ("facebook", "social", None, None, None)),
        ({"url": "/?gclid=a", "referrer": "https://www.google.com/"}, ("google", "cpc", None, None, None)),
        # And a referrer when neither does.
        ({"referrer": "https://www.google.co.uk/search?q=crm"}, ("google", "organic", None, None, None)),
        ({"referrer": "https://t.co/abc", "url": "https://we.example/"}, ("twitter", "social", None, None, None)),
        ({"referrer": "https://blog.partner.example/post/7"}, ("blog.partner.example", "referral", None, None, None)),
        ({"referrer": "android-app://com.google.android.gm/"}, ("gmail", "email", None, None, None)),
        ({"referrer": "https://shop.we.example/", "url": "https://www.we.example/contact"}, (None,) * 5),
        ({"referrer": "(direct)"}, (None,) * 5),
        ({"medium": "walk-in", "referrer": "https://www.google.com/"}, (None, "walk-in", None, None, None)),
    ],
)  # fmt: skip
def test_where_somebody_came_from(fields: dict[str, Any], expected: tuple[str | None, ...]) -> None:
    assert came(**fields) == expected


def test_a_link_that_contradicts_the_sender_is_noted() -> None:
    assert "other_campaign_in_link" in lead({**A_LEAD, "source": "fair", "url": "/?utm_source=google"}).flags


def test_our_own_domains_are_no_referrers() -> None:
    rules = the_rules(Policy(version="1", defaults=UnitPolicy(own_domains=("we.example", "we-shop.example"))))
    hosts = rules.unit("default").own_hosts
    for referrer in ("https://we.example/", "https://www.we-shop.example/cart", "https://help.we.example"):
        visit = read_visit({"referrer": referrer}, {}, hosts, read_browser)
        assert (visit.texts, visit.facts) == ({}, {})
    assert read_visit({"referrer": "https://notwe.example"}, {}, hosts, read_browser).texts["source"] == "notwe.example"


@pytest.mark.parametrize(
    ("host", "source", "medium"),
    [
        ("google.com", "google", "organic"),
        ("google.com.br", "google", "organic"),
        ("images.google.de", "google", "organic"),
        ("search.yahoo.co.jp", "yahoo", "organic"),
        ("duckduckgo.com", "duckduckgo", "organic"),
        ("mail.google.com", "gmail", "email"),
        ("docs.google.com", "google docs", "referral"),
        ("m.facebook.com", "facebook", "social"),
        ("l.facebook.com", "facebook", "social"),
        ("nl.linkedin.com", "linkedin", "social"),
        ("web.telegram.org", "telegram", "social"),
        ("chatgpt.com", "chatgpt", "referral"),
        ("notgoogle.com", "notgoogle.com", "referral"),
        ("google.evil.example", "google.evil.example", "referral"),
        ("google.com.evil.example", "google.com.evil.example", "referral"),
        ("localhost", "localhost", "referral"),
    ],
)
def test_a_referrer_is_known_by_its_host(host: str, source: str, medium: str) -> None:
    assert referrer_of(host) == (source, medium)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("https://www.We.example/Pricing/?utm_source=x&email=ada@example.com#top", "we.example/Pricing"),
        ("https://we.example", "we.example"),
        ("/pricing?token=secret", "/pricing"),
        ("we.example/pricing", "we.example/pricing"),
        ("https://we.example/unsubscribe/ada@example.com/now", f"we.example/unsubscribe/{HIDDEN}/now"),
        ("https://we.example/u/ada%40example.com", f"we.example/u/{HIDDEN}"),
        ("https://we.example/call/+31201234567", f"we.example/call/{HIDDEN}"),
        ("https://we.example/reset/5f2b9c0d5f2b9c0d5f2b9c0d5f2b9c0d", f"we.example/reset/{HIDDEN}"),
        ("https://we.example/o/6f1d6e62-8a52-5c0e-9d0b-5d1c8f0a7b31", f"we.example/o/{HIDDEN}"),
        ("https://we.example/blog/20260301/how-to-choose-a-crm-for-your-clinic", "we.example/blog/20260301/how-to-choose-a-crm-for-your-clinic"),
        ("https://ada:pw@we.example/x", "we.example/x"),
        ("https://فروشگاه.ایران/خرید", "فروشگاه.ایران/خرید"),
    ],
)  # fmt: skip
def test_a_page_is_kept_without_what_gives_people_away(sent: str, kept: str) -> None:
    assert str(read_page(sent)) == kept
    assert lead({**A_LEAD, "url": sent}).attributes["page"] == kept


@pytest.mark.parametrize(
    "sent",
    ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://[::1", "hello", 7, ["x"], "x" * 9000],
)
def test_what_is_no_page_costs_a_flag_and_never_the_lead(sent: object) -> None:
    event = lead({**A_LEAD, "url": sent})
    assert event.flags == ("invalid_url",)
    assert event.attributes == {}


def test_the_raw_referrer_and_browser_are_not_kept() -> None:
    event = lead({**A_LEAD, "referrer": "https://www.linkedin.com/in/ada-lovelace?x=1", "user_agent": CHROME})
    assert event.attributes == {"referrer": "linkedin.com", "browser": "Chrome", "os": "Windows", "device": "desktop"}
    for told in ("ada-lovelace", "126", "Win64"):
        assert told not in event.to_json().decode()


def test_click_ids_single_people_out_and_are_kept_as_personal() -> None:
    event = lead({**A_LEAD, "gclid": "Cj0K", "url": "/?fbclid=IwAR&gclid=other"})
    assert event.personal is not None
    assert event.personal.click_ids == {"gclid": "Cj0K", "fbclid": "IwAR"}
    assert event.attributes == {"page": "/", "click_id": "gclid"}
    assert event.flags == ()


MACHINES = {
    "ip": "ip", "IP": "ip", "ip_address": "ip_address", "ipAddress": "ipaddress", "IP Address": "ip_address",
    "ipaddress": "ipaddress", "client_ip": "client_ip", "Client-IP": "client_ip", "clientIp": "clientip",
    "remote_ip": "remote_ip", "REMOTE_ADDR": "remote_addr", "user_ip": "user_ip", "userIPv4": "useripv4",
    "x_forwarded_for": "x_forwarded_for", "X-Forwarded-For": "x_forwarded_for", "x-real-ip": "x_real_ip",
    "HTTP_X_FORWARDED_FOR": "http_x_forwarded_for", "CF-Connecting-IP": "cf_connecting_ip", "True-Client-IP": "true_client_ip",
    "ip_v6": "ip_v6", "Forwarded": "forwarded",
}  # fmt: skip
"""Fields of machines' addresses as senders write them, and their plain names."""


@pytest.mark.parametrize(("name", "plain"), MACHINES.items())
def test_network_addresses_are_never_kept(name: str, plain: str) -> None:
    for said in (
        {name: "203.0.113.9", "attributes": {"size": 3}},
        {"attributes": {name: "203.0.113.9", "size": 3}},
        {f"attributes.{name}": "203.0.113.9", "attributes.size": 3},
        {name: {"v4": ["203.0.113.9"]}, "attributes": {"size": 3}},
    ):
        event = lead({**A_LEAD, **said})
        assert set(event.flags) - {"unknown_field:attributes.size"} == {f"not_kept:{plain}"}
        assert event.attributes == {"size": 3}
        assert b"203.0.113.9" not in event.to_json()


def test_network_addresses_are_found_however_deep_they_lie() -> None:
    sent = {"visit": {"client": [{"IP": "203.0.113.9", "page": "/a"}, ["x"]]}, "size": 3}
    event = lead({**A_LEAD, "attributes": sent, "device": {"x-forwarded-for": "203.0.113.9"}})
    assert event.attributes == {"visit": {"client": [{"page": "/a"}, ["x"]]}, "size": 3, "device": {}}
    assert set(event.flags) == {"not_kept:ip", "not_kept:x_forwarded_for", "unknown_field:device"}
    assert sent == {"visit": {"client": [{"IP": "203.0.113.9", "page": "/a"}, ["x"]]}, "size": 3}


def test_however_many_names_there_were_an_address_is_found_and_a_long_name_is_none() -> None:
    for number in range(3):
        names: dict[str, Any] = {f"field_{number}_{place}": place for place in range(90)}
        assert lead({**A_LEAD, "attributes": names}).attributes == names
        assert lead({**A_LEAD, "attributes": {**names, "ip": "203.0.113.9"}}).attributes == names
        nested = {**names, f"field_{number}_0": [{"ip": "203.0.113.9"}]}
        assert lead({**A_LEAD, "attributes": nested}).attributes == {**names, f"field_{number}_0": [{}]}
    long = {"client" * 20 + "ip": "x"}
    assert lead({**A_LEAD, "attributes": long}).attributes == long


@pytest.mark.parametrize(
    "name",
    ["zip", "vip", "trip", "ship", "membership", "address", "street_address", "ip_count", "forwarded_by", "owner"],
)
def test_other_fields_are_no_network_addresses(name: str) -> None:
    assert lead({**A_LEAD, "attributes": {name: "x"}}).attributes == {name: "x"}


@pytest.mark.parametrize(
    ("user_agent", "browser", "system", "device"),
    [
        (CHROME, "Chrome", "Windows", "desktop"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
         "Mobile/15E148 Safari/604.1", "Mobile Safari", "iOS", "phone"),
        ("Mozilla/5.0 (iPad; CPU OS 16_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.5 "
         "Mobile/15E148 Safari/604.1", "Mobile Safari", "iOS", "tablet"),
        ("Mozilla/5.0 (Linux; Android 13; SM-T870) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/112.0.0.0 Safari/537.36",
         "Chrome", "Android", "tablet"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) Gecko/20100101 Firefox/127.0",
         "Firefox", "Mac OS X", "desktop"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot", None, "bot"),
        ("python-requests/2.31", "Python Requests", None, "bot"),
        ("facebookexternalhit/1.1", "FacebookBot", None, "bot"),
        ("nothing that anybody knows", None, None, None),
        ("", None, None, None),
    ],
)  # fmt: skip
def test_a_browser_is_read(user_agent: str, browser: str | None, system: str | None, device: str | None) -> None:
    read = read_browser(user_agent)
    assert (read.name, read.os, read.device) == (browser, system, device)
    assert read.bot == (device == "bot")


def test_a_bot_is_flagged() -> None:
    assert interaction({"visitor_id": "v", "user_agent": "curl/8.1"}).flags == ("bot",)


def test_a_page_view_is_about_its_page() -> None:
    assert interaction({"visitor_id": "v", "url": "https://we.example/pricing?x=1"}).value == "/pricing"
    assert interaction({"visitor_id": "v", "url": "/pricing", "value": "prices"}).value == "prices"


def test_what_the_sender_calls_a_page_stands() -> None:
    assert lead({**A_LEAD, "url": "/a", "attributes": {"page": "mine"}}).attributes == {"page": "mine"}


fields = st.dictionaries(
    st.sampled_from(sorted(VISIT_FIELDS | MACHINES.keys())),
    st.one_of(
        st.text(max_size=60),
        st.builds(
            "{}://{}/{}?{}={}".format,
            st.sampled_from(["https", "http", "android-app", "x"]),
            st.sampled_from(["google.com", "we.example", "[::", "xn--", "a..b", ""]),
            st.text(max_size=10),
            st.sampled_from([*CAMPAIGN_PARAMETERS, *CLICK_IDS, "x"]),
            st.text(max_size=10),
        ),
        st.integers(),
        st.none(),
        st.lists(st.text(max_size=3), max_size=2),
    ),
)


@given(fields)
@settings(max_examples=300)
def test_nothing_sent_about_a_visit_costs_the_lead_or_is_flagged_as_unknown(sent: dict[str, Any]) -> None:
    event = lead(A_LEAD | sent)
    assert not [flag for flag in event.flags if flag.startswith("unknown_field")]
    assert set(event.attributes) <= {"page", "landing_page", "referrer", "click_id", "browser", "os", "device"}


def test_every_visit_field_is_published() -> None:
    assert set(VISIT_TEXTS) <= VISIT_FIELDS
