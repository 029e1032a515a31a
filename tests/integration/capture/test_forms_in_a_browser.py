"""A plain website with a form and the script, in a real browser, on a real log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
import yaml
from fastapi import FastAPI, Response

from services.capture.app import create_app
from shared.cli.local.ports import free_port
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.kit.main import Server
from tests.integration.capture.test_channels import told_by
from tests.support.browser import a_page, chromium
from tests.support.names import unique
from tests.support.patience import eventually
from tests.unit.capture.fakes import the_settings

pytestmark = pytest.mark.slow

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{script}</head><body>
<form name="contact" method="post" action="{endpoint}">
<label>Name <input name="name" autocomplete="name"></label>
<label>E-mail <input name="email" autocomplete="email"></label>
<label hidden>Leave this empty <input name="website" tabindex="-1" autocomplete="off"></label>
<button>Send</button></form></body></html>"""


@dataclass(frozen=True)
class Scene:
    """A website, and the capture it posts to."""

    site: str
    sender: str
    log: str

    async def events(self) -> list[LeadCaptured | InteractionRecorded]:
        """Everything this site told, in the order in which it was recorded."""
        return await told_by(self.log, self.sender)


@asynccontextmanager
async def served(app: FastAPI, port: int) -> AsyncIterator[None]:
    app.state.draining = False
    server = Server(uvicorn.Config(app, port=port, log_config=None, access_log=False), app, 0.0)
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started, within_seconds=60)
    yield
    server.should_exit = True
    await serving


def the_site(endpoint: str, script: str, consent: str) -> FastAPI:
    """Two pages with a form, one of them without the script, and the page after it."""
    site = FastAPI()
    tag = f'<script async src="{script}" data-endpoint="{endpoint}"'

    def page(title: str, script: str) -> Response:
        return Response(PAGE.format(title=title, endpoint=endpoint, script=script), media_type="text/html")

    site.add_api_route("/plain", lambda: page("plain", ""))
    site.add_api_route("/contact", lambda: page("contact", f"{tag}></script>"))
    site.add_api_route("/asking", lambda: page("asking", f'{tag} data-consent="{consent}"></script>'))
    site.add_api_route(
        "/thanks", lambda: Response("<!doctype html><title>thanks</title>Thanks", media_type="text/html")
    )
    site.add_api_route("/favicon.ico", lambda: Response(status_code=204))
    return site


@pytest.fixture
def program() -> str:
    return chromium()


@pytest.fixture
async def scene(program: str, channel_log: str, tmp_path: Path) -> AsyncIterator[Scene]:
    sender = unique("contact")
    site, capture = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    endpoint = {
        "adapter": "form",
        "channel": "web_form",
        "allowed_origins": [site],
        "redirect": "/thanks",
        "honeypot": "website",
    }
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump({"version": "t", "defaults": {"endpoints": {sender: endpoint}}}))
    settings = the_settings(LEADFLOW_KAFKA_BOOTSTRAP=channel_log).model_copy(update={"policy_file": policy})
    pages = the_site(f"{capture}/v1/channels/default/{sender}", f"{capture}/leadflow.js", "required")
    async with (
        served(create_app(settings), int(capture.rpartition(":")[2])),
        served(pages, int(site.rpartition(":")[2])),
    ):
        yield Scene(site, sender, channel_log)


async def test_a_plain_form_posts_and_redirects_without_any_script(scene: Scene, program: str) -> None:
    async with a_page(program) as page:
        await page.goto(f"{scene.site}/plain")
        await page.type("[name=name]", "Ada Lovelace")
        await page.type("[name=email]", "ada@example.com")
        await page.click("button")
        await eventually(lambda: page.is_at(f"{scene.site}/thanks"), within_seconds=30)
    (lead,) = await scene.events()
    assert isinstance(lead, LeadCaptured)
    assert lead.personal is not None
    assert (lead.personal.name, lead.personal.email) == ("Ada Lovelace", "ada@example.com")
    assert [one.kind for one in lead.identities] == ["email"]
    assert lead.attributes["page"].startswith("127.0.0.1")


async def test_a_visitor_is_seen_and_then_known_by_the_form(scene: Scene, program: str) -> None:
    async with a_page(program) as page:
        await page.goto(f"{scene.site}/contact?utm_source=newsletter&utm_campaign=spring")
        await page.type("[name=name]", "Ada Lovelace")
        await page.type("[name=email]", "ada@example.com")
        await eventually(lambda: page.script("performance.now() > 5000"))  # nobody types this fast
        await page.click("button")
        await eventually(lambda: page.is_at(f"{scene.site}/thanks"), within_seconds=30)
        assert page.errors == []

    async def all_three() -> bool:
        return len(await scene.events()) == 3

    await eventually(all_three, within_seconds=30)
    told = {getattr(event, "kind", "lead"): event for event in await scene.events()}
    assert told.keys() == {"page_view", "form_start", "lead"}
    (visitor,) = told["page_view"].identities
    assert visitor.kind == "visitor"
    assert [one.kind for one in told["lead"].identities] == ["email", "visitor"]
    assert all(visitor in event.identities for event in told.values())
    assert {(event.source, event.campaign) for event in told.values()} == {("newsletter", "spring")}
    assert told["lead"].mark is None


async def test_what_fills_a_form_at_once_is_no_person(scene: Scene, program: str) -> None:
    async with a_page(program) as page:
        await page.send("Page.addScriptToEvaluateOnNewDocument", source="const at = Date.now(); Date.now = () => at;")
        await page.goto(f"{scene.site}/contact")
        await page.type("[name=email]", "ada@example.com")
        await page.click("button")
        await eventually(lambda: page.is_at(f"{scene.site}/thanks"), within_seconds=30)

    async def lead_marks() -> list[tuple[str, ...]]:
        return [event.mark_reasons for event in await scene.events() if isinstance(event, LeadCaptured)]

    assert await eventually(lead_marks) == [("filled_too_fast",)]


@pytest.mark.parametrize("refusal", ["navigator.doNotTrack = '1'", "navigator.globalPrivacyControl = true"])
async def test_a_visitor_who_does_not_want_to_be_tracked_is_not_and_can_still_write(
    scene: Scene, program: str, refusal: str
) -> None:
    name, _, value = refusal.removeprefix("navigator.").partition(" = ")
    asked = f"Object.defineProperty(Navigator.prototype, {name!r}, {{get: () => {value}}})"
    async with a_page(program) as page:
        await page.send("Page.addScriptToEvaluateOnNewDocument", source=asked)
        await page.goto(f"{scene.site}/contact")
        await page.type("[name=email]", "ada@example.com")
        assert await page.script("localStorage.length + sessionStorage.length") == 0
        await page.click("button")
        await eventually(lambda: page.is_at(f"{scene.site}/thanks"), within_seconds=30)
    (lead,) = await scene.events()
    assert [one.kind for one in lead.identities] == ["email"]


async def test_where_consent_is_required_nothing_is_stored_or_sent_before_it(scene: Scene, program: str) -> None:
    async with a_page(program) as page:
        await page.goto(f"{scene.site}/asking")
        await eventually(lambda: page.script("typeof leadflow === 'object'"))
        assert await page.script("localStorage.length + sessionStorage.length") == 0
        await page.script("leadflow.consent(true)")

        async def seen() -> bool:
            return [getattr(event, "kind", "") for event in await scene.events()] == ["page_view"]

        await eventually(seen, within_seconds=30)
        assert await page.script("localStorage.leadflow_visitor.length") == 32
        await page.script("leadflow.consent(false)")
        assert await page.script("localStorage.length") == 0
