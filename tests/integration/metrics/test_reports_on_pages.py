"""Reports in a real browser and on paper: readable in every language, on a phone and on a sheet."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from services.metrics.reporting import printing
from shared.kit.errors import Rejected
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.telling import half_a_year
from tests.support.browser import Page, a_page, chromium

pytestmark = pytest.mark.slow

NOW = datetime(2026, 6, 10, 9, 30, tzinfo=UTC)
LANGUAGES = [("en", "gregorian"), ("fa", "jalali"), ("he", "gregorian")]

OVERFLOWING = """[...document.querySelectorAll('body *')].filter(one => {
  if (one.closest('.scroll') && !one.matches('.scroll') || one.closest('.spoken')) return false;
  const box = one.getBoundingClientRect();
  return box.width > 0 && (box.left < -0.5 || box.right > document.documentElement.clientWidth + 0.5);
}).map(one => one.tagName + '.' + one.getAttribute('class')).slice(0, 5)"""

FAINT = """(() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = one => { for (; one; one = one.parentElement) {
    const found = parts(getComputedStyle(one).backgroundColor); if (found.length < 4 || found[3] > 0) return found; } return [255, 255, 255]; };
  const faint = [];
  for (const one of document.querySelectorAll('body *')) {
    if (one.closest('svg') || ![...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
    const style = getComputedStyle(one), a = light(parts(style.color)), b = light(ground(one));
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(one.tagName + ' ' + one.textContent.trim().slice(0, 20) + ' ' + contrast.toFixed(2));
  }
  return faint.slice(0, 5); })()"""

ACCESS = """({
  lang: document.documentElement.lang, dir: document.documentElement.dir, titled: document.title.length > 0,
  h1: document.querySelectorAll('h1').length, mains: document.querySelectorAll('main').length,
  unnamed: [...document.querySelectorAll('svg[role=img]')].filter(one =>
    !one.getAttribute('aria-labelledby').split(' ').every(id => (document.getElementById(id) || {}).textContent)).length,
  drawn: document.querySelectorAll('svg[role=img]').length,
  links: [...document.querySelectorAll('a')].filter(one => !one.textContent.trim()).length,
  heads: [...document.querySelectorAll('table')].filter(one => !one.querySelector('th[scope=col]')).length,
  twice: [...document.querySelectorAll('[id]')].length - new Set([...document.querySelectorAll('[id]')].map(one => one.id)).size,
  letters: document.fonts.check('16px Rubik'),
  side: (() => { const box = document.querySelector('.card').getBoundingClientRect(); return box.left > innerWidth / 2 || innerWidth < 600 ? 'right' : 'left'; })(),
})"""


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"), now=NOW)
    await found.fold_all(half_a_year())
    yield found
    await found.close()


async def written(metrics: Metrics, form: str, language: str, calendar: str) -> bytes:
    answer = await metrics.client.get(
        "/v1/reports/monthly/told", params={"format": form, "lang": language, "calendar": calendar}, timeout=200
    )
    if answer.status_code == 501:
        pytest.skip(f"NO PDF WAS WRITTEN: {answer.json()['fix']}")
    assert answer.status_code == 200, answer.text
    return answer.content


async def sized(page: Page, width: int, height: int) -> None:
    await page.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)


async def shown(page: Page, file: Path) -> dict[str, Any]:
    await page.goto(file.as_uri())
    await page.script("document.fonts.ready.then(() => 1)")
    found: dict[str, Any] = await page.script(ACCESS)
    return found


@pytest.mark.timeout(400)
async def test_a_page_fits_a_phone_a_screen_and_a_sheet_and_everybody_can_read_it(
    metrics: Metrics, tmp_path: Path
) -> None:
    async with a_page(chromium()) as page:
        for language, calendar in LANGUAGES:
            file = tmp_path / f"{language}.html"
            await asyncio.to_thread(file.write_bytes, await written(metrics, "html", language, calendar))
            for width in (360, 768, 1280):
                await sized(page, width, 900)
                told = await shown(page, file)
                assert await page.script(OVERFLOWING) == [], (language, width)
                assert await page.script("document.documentElement.scrollWidth") <= width, (language, width)
                assert told["dir"] == ("ltr" if language == "en" else "rtl")
            assert (told["lang"], told["titled"], told["h1"], told["mains"]) == (language, True, 1, 1)
            assert (told["unnamed"], told["links"], told["heads"], told["twice"]) == (0, 0, 0, 0)
            assert told["drawn"] == 4
            assert told["letters"] is True
            assert told["side"] == ("left" if language == "en" else "right"), "the first card is where reading begins"
            assert await page.script(FAINT) == []
            await page.send("Emulation.setEmulatedMedia", media="print")
            await sized(page, 695, 1000)  # A4 within its margins
            await shown(page, file)
            assert await page.script(OVERFLOWING) == [], (language, "print")
            await page.send("Emulation.setEmulatedMedia", media="")
        assert page.errors == []


EXPECTED = {
    "en": ("Monthly report", "May 2026", "Leads created", "From lead to customer"),
    "fa": ("گزارش ماهانه", "اردیبهشت ۱۴۰۵", "سرنخهای تازه", "از سرنخ تا مشتری"),
    "he": ("דוח חודשי", "מאי 2026", "לידים חדשים", "מליד ללקוח"),
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("language", "calendar"), LANGUAGES)
async def test_a_pdf_says_what_the_page_says_in_the_order_of_its_language(
    metrics: Metrics, language: str, calendar: str
) -> None:
    content = await written(metrics, "pdf", language, calendar)
    document = pypdfium2.PdfDocument(content)
    assert 2 <= len(document) <= 9
    text = "\n".join(document[place].get_textpage().get_text_range() for place in range(len(document)))
    plain = re.sub(r"[\u200c\u200e\u200f\u2066-\u2069\u0654]", "", text)
    for expected in EXPECTED[language]:
        assert re.sub(r"[\u200c\u0654]", "", expected) in plain, expected
    for place in range(len(document)):
        image = document[place].render(scale=1.0).to_pil().convert("L")
        width, height = image.size
        assert (width, height) == (596, 842), "A4"
        dark = image.point(lambda value: 255 if value < 128 else 0).getbbox()
        assert dark is not None
        assert dark[0] > 20, "nothing runs over the left edge"
        assert dark[2] < width - 20, "nothing runs over the right edge"
    first = document[0].render(scale=2.0).to_pil().convert("L").crop((60, 60, 1132, 260))
    left, right = (sum(first.crop(box).histogram()[:100]) for box in ((0, 0, 536, 200), (536, 0, 1072, 200)))
    assert left > 0
    assert right > 0
    assert (left > right) == (language == "en"), "the title stands where reading begins"


async def test_where_pango_is_missing_a_pdf_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without = tmp_path / "python"
    await asyncio.to_thread(without.write_text, f"#!/bin/sh\ncat > /dev/null\nexit {printing.MISSING}\n")
    await asyncio.to_thread(without.chmod, 0o755)
    monkeypatch.setattr("sys.executable", str(without))
    with pytest.raises(Rejected) as refused:
        await printing.as_pdf("<p>hello</p>")
    assert refused.value.status == 501
    assert "libpango" in (refused.value.fix or "")
