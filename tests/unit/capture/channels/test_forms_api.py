"""Forms over HTTP: browsers, people and scripts each get the answer they understand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.capture.api.pages import WORDS, language_of
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from tests.unit.capture.channels.support import a_door
from tests.unit.capture.fakes import FakeLog, problem

SITE = "https://www.example.com"
FORM: dict[str, Any] = {
    "adapter": "form",
    "channel": "web_form",
    "allowed_origins": [SITE],
    "redirect": "/thanks",
    "honeypot": "website",
}
PLAIN = {name: value for name, value in FORM.items() if name != "redirect"}
ENDPOINTS: dict[str, dict[str, Any]] = {
    "contact": FORM,
    "plain": PLAIN,
    "elsewhere": FORM | {"redirect": "https://thanks.example.org/سپاس?x=1", "error_redirect": "/oh?form=1"},
    "anybody": PLAIN | {"allowed_origins": ["*"], "language": "fa"},
    "narrow": PLAIN | {"rate_per_minute": 2},
    "crm": {"adapter": "json", "channel": "web_form"},
}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Origin": SITE, "Referer": f"{SITE}/contact?x=1"}
LEAD = {"name": "Ada Lovelace", "email": "ada@example.com"}


@pytest.fixture
async def door(tmp_path: Path, log: FakeLog) -> AsyncIterator[httpx.AsyncClient]:
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        yield client


async def test_a_form_without_a_script_is_taken_and_its_visitor_sent_on(door: httpx.AsyncClient, log: FakeLog) -> None:
    answer = await door.post("/v1/channels/tehran/contact", data=LEAD | {"phone": "021 1234 5678"}, headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{SITE}/thanks")
    (event,) = log.events()
    assert isinstance(event, LeadCaptured)
    assert event.personal is not None
    assert (event.personal.email, event.personal.phone) == ("ada@example.com", "+982112345678")
    assert (event.sender, event.business_unit) == ("contact", "tehran")


async def test_a_multipart_form_with_a_large_file_is_taken(door: httpx.AsyncClient, log: FakeLog) -> None:
    files = {"cv": ("ada.pdf", b"x" * 3_000_000, "application/pdf")}
    answer = await door.post("/v1/channels/default/contact", data=LEAD, files=files, headers=BROWSER)
    assert answer.status_code == 303
    assert "file_not_kept" in log.events()[0].flags


@pytest.mark.parametrize(
    ("endpoint", "headers", "location"),
    [
        ("elsewhere", BROWSER, "https://thanks.example.org/%D8%B3%D9%BE%D8%A7%D8%B3?x=1"),
        ("contact", BROWSER | {"Origin": SITE.upper()}, f"{SITE}/thanks"),
        ("contact", {"Accept": "text/html", "Referer": f"{SITE}/a/b"}, f"{SITE}/thanks"),
        ("contact", {"Accept": "text/html"}, None),
    ],
)
async def test_where_a_visitor_is_sent(
    door: httpx.AsyncClient, endpoint: str, headers: dict[str, str], location: str | None
) -> None:
    answer = await door.post(f"/v1/channels/default/{endpoint}", data=LEAD, headers=headers)
    assert answer.headers.get("location") == location
    assert answer.status_code == (200 if location is None else 303)


@pytest.mark.parametrize(
    ("accepted", "language", "direction"),
    [
        ("en-GB,en;q=0.9", "en", "ltr"),
        ("fa-IR,fa;q=0.9,en;q=0.5", "fa", "rtl"),
        ("he", "he", "rtl"),
        ("nl", "en", "ltr"),
    ],
)
async def test_without_a_page_of_its_own_a_form_thanks_in_the_visitors_language(
    door: httpx.AsyncClient, accepted: str, language: Any, direction: str
) -> None:
    answer = await door.post("/v1/channels/default/plain", data=LEAD, headers=BROWSER | {"Accept-Language": accepted})
    assert answer.status_code == 200
    assert f'<html lang="{language}" dir="{direction}">' in answer.text
    assert WORDS[language].received in answer.text
    assert f'href="{SITE}/contact?x=1"' in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_the_forms_own_language_goes_before_the_visitors(door: httpx.AsyncClient) -> None:
    answer = await door.post("/v1/channels/default/anybody", data=LEAD, headers={"Accept": "text/html"})
    assert 'lang="fa"' in answer.text


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("nl,fa;q=0.8,he;q=0.9", "he"),
        ("iw-IL", "he"),
        ("en;q=0.1,fa;q=0.2", "fa"),
        ("fa;q=x", "en"),
        ("FA-ir", "fa"),
    ],
)
def test_the_language_with_the_most_weight_is_spoken(header: str, language: str) -> None:
    assert language_of(header) == language


async def test_a_script_hears_json_and_may_read_it(door: httpx.AsyncClient, log: FakeLog) -> None:
    answer = await door.post("/v1/channels/default/contact", data=LEAD, headers={"Origin": SITE})
    assert answer.status_code == 200
    assert answer.json() == {"accepted": 1, "items": [{"event_id": str(log.events()[0].event_id)}]}
    assert answer.headers["access-control-allow-origin"] == SITE
    assert "Origin" in answer.headers["vary"]


async def test_a_script_may_send_json(door: httpx.AsyncClient, log: FakeLog) -> None:
    answer = await door.post("/v1/channels/default/contact", json=LEAD, headers={"Origin": SITE})
    assert answer.status_code == 200
    problem(await door.post("/v1/channels/default/contact", json=[LEAD]), 422, "invalid-fields")


async def test_a_page_view_is_an_interaction_of_the_visitor(door: httpx.AsyncClient, log: FakeLog) -> None:
    view = {"kind": "page_view", "visitor_id": "v1", "url": f"{SITE}/pricing?utm_source=x"}
    assert (await door.post("/v1/channels/default/contact", data=view, headers={"Origin": SITE})).status_code == 200
    assert (await door.post("/v1/channels/default/contact", data=LEAD | {"visitor_id": "v1"})).status_code == 200
    viewed, lead = log.events()
    assert isinstance(viewed, InteractionRecorded)
    assert {one.kind for one in lead.identities} == {"email", "visitor"}
    assert set(viewed.identities) <= set(lead.identities)


async def test_a_preflight_is_answered_for_listed_sites_only(door: httpx.AsyncClient) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = await door.options("/v1/channels/default/contact", headers=asked | {"Origin": SITE})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == SITE
    assert answer.headers["access-control-allow-methods"] == "POST"
    refused = await door.options("/v1/channels/default/contact", headers=asked | {"Origin": "https://evil.example"})
    problem(refused, 403, "forbidden")
    assert "access-control-allow-origin" not in refused.headers
    problem(await door.options("/v1/channels/default/crm", headers={"Origin": SITE}), 405, "method-not-allowed")
    problem(await door.options("/v1/channels/default/none", headers={"Origin": SITE}), 404, "not-found")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"{SITE}.evil.example"},
        {"Origin": "http://www.example.com"},
        {"Referer": "https://evil.example/contact"},
    ],
)
async def test_a_site_that_is_not_listed_may_not_post(
    door: httpx.AsyncClient, log: FakeLog, headers: dict[str, str]
) -> None:
    answer = await door.post("/v1/channels/default/contact", data=LEAD, headers=headers)
    problem(answer, 403, "forbidden")
    assert not log.records
    assert (await door.post("/v1/channels/default/anybody", data=LEAD, headers=headers)).status_code == 200


async def test_a_broken_referer_is_no_site(door: httpx.AsyncClient) -> None:
    answer = await door.post(
        "/v1/channels/default/contact", data=LEAD, headers={"Referer": "http://[", "Accept": "text/html"}
    )
    assert answer.status_code == 200


async def test_a_refused_form_says_in_the_persons_language_what_to_check(door: httpx.AsyncClient, log: FakeLog) -> None:
    too_long = LEAD | {"message": "<b>" * 5_000}
    headers = BROWSER | {"Accept-Language": "he"}
    answer = await door.post("/v1/channels/default/contact", data=too_long, headers=headers)
    assert answer.status_code == 422
    assert WORDS["he"].check in answer.text
    assert "<li>message</li>" in answer.text
    assert "<b>" not in answer.text
    problem(await door.post("/v1/channels/default/contact", data=too_long), 422, "invalid-fields")
    assert not log.records


async def test_a_refused_form_goes_to_the_page_for_it(door: httpx.AsyncClient) -> None:
    answer = await door.post("/v1/channels/default/elsewhere", data=LEAD | {"message": "x" * 20_000}, headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{SITE}/oh?form=1&error=invalid-fields")


async def test_while_the_log_is_away_a_person_is_asked_to_send_it_again(door: httpx.AsyncClient, log: FakeLog) -> None:
    log.away = True
    answer = await door.post("/v1/channels/default/contact", data=LEAD, headers=BROWSER)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert WORDS["en"].later in answer.text
    problem(await door.post("/v1/channels/default/contact", data=LEAD), 503, "unavailable")


async def test_a_form_takes_so_many_a_minute_from_one_place(door: httpx.AsyncClient) -> None:
    answers = [await door.post("/v1/channels/default/narrow", data=LEAD, headers=BROWSER) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert WORDS["en"].often in answers[1].text
    assert int(answers[1].headers["retry-after"]) >= 1
    assert (await door.post("/v1/channels/tehran/narrow", data=LEAD, headers=BROWSER)).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/form-data", b"x", 400),
        ("application/json", b"{", 400),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 300_000, 413),
    ],
)
async def test_a_form_that_cannot_be_read(door: httpx.AsyncClient, content_type: str, body: bytes, status: int) -> None:
    headers = BROWSER | {"Content-Type": content_type}
    answer = await door.post("/v1/channels/default/contact", content=body, headers=headers)
    assert answer.status_code == status
    assert "<h1>" in answer.text


async def test_a_form_whose_hidden_field_is_filled_is_marked_and_not_refused(
    door: httpx.AsyncClient, log: FakeLog
) -> None:
    answer = await door.post("/v1/channels/default/contact", data=LEAD | {"website": "x"}, headers=BROWSER)
    assert answer.status_code == 303
    assert (log.events()[0].mark, log.events()[0].mark_reasons) == ("spam", ("hidden_field",))


async def test_a_double_click_is_one_lead(door: httpx.AsyncClient, log: FakeLog) -> None:
    for _ in range(2):
        await door.post("/v1/channels/default/contact", data=LEAD | {"leadflow_submission": "page-1"}, headers=BROWSER)
    assert len({event.event_id for event in log.events()}) == 1


async def test_the_script_is_served_small_and_kept_by_browsers(door: httpx.AsyncClient) -> None:
    answer = await door.get("/leadflow.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert len(answer.content) < 3_000
    again = await door.get("/leadflow.js", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("said", ["http://[::1", "https://a]b/", "null", "\xff", "javascript:alert(1)", ""])
@pytest.mark.parametrize("header", ["Origin", "Referer"])
async def test_who_says_an_address_that_is_none_gets_a_plain_page_and_is_taken(
    tmp_path: Path, log: FakeLog, header: str, said: str
) -> None:
    open_form = {**FORM, "allowed_origins": ["*"], "redirect": "/thanks", "error_redirect": "/sorry"}
    async with a_door(tmp_path, {"open": open_form}, log=log) as client:
        headers = {b"Accept": b"text/html", header.encode(): said.encode("latin-1")}
        for body, status in ((LEAD, 200), ({"name": "x" * 20_000}, 422)):
            answer = await client.post("/v1/channels/default/open", data=body, headers=headers)
            assert answer.status_code == status
    assert len(log.records) == 1
