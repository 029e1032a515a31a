"""The letters of a report, inside it: one family for Latin, Hebrew and Persian, cut down to what is written with it."""

from __future__ import annotations

import asyncio
import io
import sys
from base64 import b64encode
from importlib.resources import files

FAMILY = "Rubik"
FONT_PACKAGE, FONT_FILE = "fontpkg_rubik", "files/Rubik[wght].ttf"
SECONDS = 300.0
_WRITTEN = (
    (0x20, 0x17F), (0x5B0, 0x5F4), (0x60C, 0x60C), (0x61B, 0x61F), (0x621, 0x655), (0x660, 0x66D), (0x670, 0x671),
    (0x679, 0x6AF), (0x6BA, 0x6D5), (0x6F0, 0x6F9), (0x2000, 0x206F), (0x20A0, 0x20C0), (0x2190, 0x2193), (0x2212, 0x2212),
)  # fmt: skip
"""Latin, Hebrew, Arabic as Persian is written with it, punctuation, signs of currencies."""


class Letters:
    """The style that brings the letters along, made once, in a process of its own: it takes seconds of a processor."""

    def __init__(self) -> None:
        self._style: str | None = None
        self._turn = asyncio.Lock()

    async def style(self) -> str:
        """The style sheet."""
        async with self._turn:
            if self._style is None:
                self._style = await _made()
        return self._style


async def _made() -> str:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(SECONDS):
            written, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"cutting the letters ended with {process.returncode}")
    return written.decode()


def font_css() -> str:
    """What is written, as a font inside a style."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    options = subset.Options()
    options.flavor = "woff2"
    options.layout_features = ["*"]
    options.notdef_outline = True
    with files(FONT_PACKAGE).joinpath(FONT_FILE).open("rb") as file:
        font = TTFont(file)
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=[code for first, last in _WRITTEN for code in range(first, last + 1)])
        cutter.subset(font)
        font.flavor = "woff2"
        written = io.BytesIO()
        font.save(written)
    data = b64encode(written.getvalue()).decode()
    return (
        f'@font-face{{font-family:{FAMILY};font-weight:300 900;src:url(data:font/woff2;base64,{data}) format("woff2")}}'
    )


if __name__ == "__main__":
    sys.stdout.write(font_css())
