"""A file made ready in a process of its own: whoever asks goes on meanwhile, and may change their mind. What the file makes
of memory and time is bounded there, and ends there.

    python -m shared.tabular.apart SOURCE TARGET OPTIONS

Its output is a JSON object: what was found, or `fault` and `fix`. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.tabular.errors import Unreadable
from shared.tabular.preparing import MAX_UNPACKED_BYTES, Form, Prepared, prepare

PREPARING_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Found:
    """What a file is once it is ready to be read, without what it says but for the names of a spreadsheet's columns."""

    form: Form
    encoding: str
    columns: tuple[str, ...]
    rows: int

    def at(self, path: Path) -> Prepared:
        """The same as the file it is."""
        return Prepared(path, self.form, self.encoding, self.columns)


async def prepare_apart(
    path: Path,
    target: Path,
    *,
    encoding: str | None = None,
    sheet: str | None = None,
    delimiter: str | None = None,
    max_bytes: int = MAX_UNPACKED_BYTES,
    within_seconds: float = PREPARING_SECONDS,
) -> Found:
    """Writes the file anew, as it can be read, and counts its rows. Raises `Unreadable`, also where it has none."""
    options = {"encoding": encoding, "sheet": sheet, "delimiter": delimiter, "max_bytes": max_bytes}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.tabular.apart", str(path), str(target), json.dumps(options)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(within_seconds):
            told = json.loads(await process.stdout.read() or b"null")
    except (TimeoutError, ValueError):
        told = None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if not isinstance(told, dict):
        raise Unreadable("The file cannot be read to its end.", "Save it as CSV in UTF-8, or send it in parts.")
    if "fault" in told:
        raise Unreadable(told["fault"], told["fix"], columns=told["columns"])
    return Found(told["form"], told["encoding"], tuple(told["columns"]), told["rows"])


def _found(source: Path, target: Path, options: dict[str, object]) -> dict[str, object]:
    encoding, sheet, delimiter = (_text(options.get(name)) for name in ("encoding", "sheet", "delimiter"))
    try:
        ready = prepare(source, target, encoding=encoding, sheet=sheet, max_bytes=int(str(options["max_bytes"])))
        with ready.open(delimiter=delimiter, called="The file") as rows:
            count = sum(1 for _ in rows.rows())
        if not count:
            raise Unreadable("The file names its columns and has no row below them.", "Send it with its rows.")
    except Unreadable as unreadable:
        return {"fault": unreadable.detail, "fix": unreadable.fix, "columns": unreadable.columns}
    except OSError as error:
        return {"fault": f"The file cannot be made ready: {error.strerror}.", "fix": "Free some disk.", "columns": ()}
    return asdict(Found(ready.form, ready.encoding, ready.columns, count))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _end_with_whoever_asked() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def main(arguments: Sequence[str]) -> int:
    """One file."""
    with suppress(OSError):
        # Where memory runs out, this process goes before the one that asked.
        Path("/proc/self/oom_score_adj").write_text("1000")
    threading.Thread(target=_end_with_whoever_asked, daemon=True).start()
    source, target, options = arguments
    sys.stdout.write(json.dumps(_found(Path(source), Path(target), json.loads(options))) + "\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
