"""A real headless Chromium, told what to do over its debugging pipe, for tests of what browsers do with forms and scripts."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.patience import eventually
from tests.support.processes import own_folder

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MISSING = "NO BROWSER WAS TRIED: there is no Chromium here; `apt-get install chromium`"
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str:
    """Where Chromium is. Skips the test, saying so loudly, where it is nowhere."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(MISSING)
    return found


class Page:
    """One tab."""

    def __init__(self, reader: asyncio.StreamReader, to_browser: int) -> None:
        self._reader = reader
        self._to_browser = to_browser
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listening = asyncio.create_task(self._listen())
        self._session: str | None = None
        self.errors: list[str] = []

    async def attach(self) -> None:
        """Opens the tab."""
        target = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            await self.send(f"{domain}.enable")

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command, and what the browser answers to it."""
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        async with asyncio.timeout(60):
            content = await answer
        if "error" in content:
            raise RuntimeError(f"{method}: {content['error']}")
        result: dict[str, Any] = content["result"]
        return result

    async def goto(self, url: str) -> None:
        """Opens an address and waits until the page is there."""
        await self.send("Page.navigate", url=url)
        await eventually(lambda: self.is_at(url), within_seconds=60)

    async def is_at(self, url: str) -> bool:
        """Whether that page is there, whole."""
        return bool(await self.script(f"document.readyState === 'complete' && location.href === {json.dumps(url)}"))

    async def script(self, code: str) -> Any:
        """The value of an expression on the page."""
        answer = await self.send("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        return answer["result"].get("value")

    async def type(self, selector: str, text: str) -> None:
        """Puts the cursor into a field and types."""
        await self.script(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.send("Input.insertText", text=text)

    async def click(self, selector: str) -> None:
        """Clicks where an element is, as a hand would."""
        where = await self.script(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView();"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)

    async def _listen(self) -> None:
        while True:
            try:
                raw = await self._reader.readuntil(b"\0")
            except asyncio.IncompleteReadError:
                return
            message = json.loads(raw[:-1])
            if (waiting := self._waiting.pop(message.get("id", 0), None)) is not None:
                waiting.set_result(message)
            elif message.get("method") == "Runtime.exceptionThrown":
                self.errors.append(str(message["params"]["exceptionDetails"]))
            elif message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.errors.append(str(message["params"]["entry"]))

    async def close(self) -> None:
        """Hears no more."""
        self._listening.cancel()


@asynccontextmanager
async def a_page(program: str, *flags: str) -> AsyncIterator[Page]:
    """A fresh browser with one tab, ended at the end with everything it started."""
    with own_folder("browser") as folder:
        commands, to_browser = os.pipe()
        from_browser, answers = os.pipe()
        wrapped = f'exec "$@" 3<&{commands} 4>&{answers}'
        process = subprocess.Popen(  # noqa: ASYNC220 - starting it blocks for no longer than a fork
            ["bash", "-c", wrapped, "-", program, *_FLAGS, f"--user-data-dir={folder}", *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(commands, answers),
            start_new_session=True,
            env={**os.environ, "HOME": str(Path(folder))},
        )
        os.close(commands)
        os.close(answers)
        reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_browser, "rb")
        )
        page = Page(reader, to_browser)
        try:
            await page.attach()
            yield page
        finally:
            await page.close()
            os.close(to_browser)
            transport.close()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
