"""PDF of a report's HTML. It is made in a process of its own, since it takes seconds of a processor and a hundred megabytes.

python -m services.metrics.reporting.printing < report.html > report.pdf
"""

from __future__ import annotations

import asyncio
import sys
from importlib.resources import as_file, files

from services.metrics.reporting.letters import FAMILY, FONT_FILE, FONT_PACKAGE
from shared.kit.errors import Rejected, Retryable

SECONDS = 300.0
MISSING = 3
"""The exit code that says that a library of the system is not there."""

NEEDS = "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"


async def as_pdf(html: str) -> bytes:
    """The document on A4. Raises `Rejected` where this machine lacks what writes PDF."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __spec__.name if __spec__ else __name__,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            written, _ = await process.communicate(html.encode())
    except TimeoutError:
        raise Retryable("Writing the PDF took too long.", retry_after_seconds=30) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == MISSING:
        raise Rejected(
            "The machine that metrics runs on lacks Pango, which shapes the letters of a PDF.",
            status=501, code="pdf-not-installed", field="format", fix=f"{NEEDS}; or ask for html and print it.",
        )  # fmt: skip
    if process.returncode != 0:
        raise RuntimeError(f"the PDF writer ended with {process.returncode}")
    return written


def _fetch_nothing(url: str, *_: object, **__: object) -> dict[str, object]:
    """A report brings everything along; only our own letters are read, and only from data or their own file."""
    if url.startswith(("data:", "file:")) and (url.startswith("data:") or url.endswith(".ttf")):
        from weasyprint import default_url_fetcher

        found: dict[str, object] = default_url_fetcher(url)
        return found
    raise ValueError("a report fetches nothing")


def main() -> int:
    """Reads HTML, writes PDF."""
    try:
        from weasyprint import CSS, HTML
        from weasyprint.text.fonts import FontConfiguration
    except OSError:
        return MISSING
    fonts = FontConfiguration()
    with as_file(files(FONT_PACKAGE).joinpath(FONT_FILE)) as path:
        face = f"@font-face{{font-family:{FAMILY};font-weight:300 900;src:url({path.as_uri()})}}"
        style = CSS(string=face, font_config=fonts, url_fetcher=_fetch_nothing)
        document = HTML(string=sys.stdin.buffer.read().decode(), url_fetcher=_fetch_nothing)
        written = document.write_pdf(stylesheets=[style], font_config=fonts, pdf_tags=True)
    sys.stdout.buffer.write(written)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
