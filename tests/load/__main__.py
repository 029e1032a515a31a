"""`make bench`: everything measured in one run on one machine, one table, one file.

python -m tests.load                         everything
python -m tests.load --only streams,chain     some parts
python -m tests.load --quick                 a look, not a measurement
python -m tests.load --resume                go on where a run was broken off
python -m tests.load --write docs/performance.md
python -m tests.load --profile               where a lead's microseconds go, by sampling
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.load import mix
from tests.load.findings import Finding, Findings, table, written_into
from tests.load.parts import auditing, chain, folding, kpis, million, models, pipeline, posting, starting, streams
from tests.load.profile import profile
from tests.load.run import Broker, NotInstalled, Run
from tests.load.stage import BROKERS, machine

Part = Callable[[Run], list[Finding]]

PARTS: Mapping[str, Part] = {
    "one-lead": posting.one_lead,
    "batch": posting.batches,
    "streams": streams.streams,
    "pipeline": pipeline.pipeline,
    "folding": folding.folding,
    "models": models.models,
    "chain": chain.chain,
    "kpis": kpis.kpis,
    "starting": starting.starting,
}
"""What a whole run measures."""

ALONE: Mapping[str, Part] = {"million": million.million, "auditing": auditing.auditing}
"""What is measured only where it is asked for by name."""

EVERY = {**PARTS, **ALONE}


def main() -> int:
    """Runs what was asked for."""
    given = _arguments().parse_args()
    chosen = given.only.split(",") if given.only else list(PARTS)
    if unknown := set(chosen) - EVERY.keys():
        print(f"There is no part {', '.join(sorted(unknown))}; there are {', '.join(EVERY)}.", file=sys.stderr)
        return 2
    if given.write and (given.quick or given.only):
        # The page shows one whole measurement, never a look or a mixture.
        print(
            "WRITE (--write) wants everything in full: it goes without QUICK and ONLY; RESUME adds what is missing.",
            file=sys.stderr,
        )
        return 2
    # Told to stop, it still stops what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if given.profile:
        sampled = profile(Run(given.quick, given.broker, partial(_say, time.monotonic(), "profile")), given.profile)
        print("\n".join(sampled))
        _write(given.write, "\n".join(sampled), "profile")
        return 0
    about = {
        "machine": machine(),
        "broker": BROKERS[given.broker],
        "mix": mix.DESCRIPTION,
        **({"sizes": "quick: a look, not a measurement"} if given.quick else {}),
    }
    findings = (Findings.resumed if given.resume else Findings)(given.json, about, datetime.now(UTC))
    began, failed = time.monotonic(), list[str]()
    for name in chosen:
        if given.resume and name in findings.parts:
            continue
        run = Run(given.quick, given.broker, partial(_say, began, name), given.keep)
        run.say("begins")
        part_began = time.monotonic()
        try:
            lines = EVERY[name](run)
        except Exception as error:
            # The others are worth having all the same; `--resume` does this one again.
            failed.append(name)
            run.say(f"failed: {error}" if isinstance(error, NotInstalled) else f"failed:\n{traceback.format_exc()}")
            continue
        findings.add(name, lines, datetime.now(UTC), time.monotonic() - part_began)
        print("\n".join(table(lines)), flush=True)
    findings.finish(EVERY)
    document = findings.document()
    print(f"\n{document}\n\nAll of it: {given.json}")
    if failed:
        print(f"Without {', '.join(failed)}, which failed. Again, and only that: --resume", file=sys.stderr)
        return 1
    _write(given.write, document, "bench")
    return 0


def _write(document: Path | None, generated: str, place: str) -> None:
    if document is not None:
        document.write_text(written_into(document.read_text(encoding="utf-8"), generated, place), encoding="utf-8")


def _say(began: float, part: str, what: str) -> None:
    seconds = time.monotonic() - began
    print(f"[{seconds // 60:3.0f}:{seconds % 60:02.0f}] {part}: {what}", flush=True)


def _arguments() -> argparse.ArgumentParser:
    asked = argparse.ArgumentParser(prog="python -m tests.load", description="Measures what docs/performance.md shows.")
    asked.add_argument("--only", metavar="PART,PART", help=f"some of {', '.join(EVERY)}")
    asked.add_argument(
        "--broker", type=Broker, default=Broker.APACHE, help=f"{' or '.join(Broker)}; {Broker.APACHE} if not said"
    )
    asked.add_argument("--quick", action="store_true", help="short rounds and small sizes: a look, not a measurement")
    asked.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="kpis: leave the database there, or go on with the one that is"
    )
    asked.add_argument("--json", type=Path, default=Path("build/bench.json"), help="where the findings are kept")
    asked.add_argument(
        "--resume",
        action="store_true",
        help="keep the parts that the file has already from the same machine, in the same sizes",
    )
    asked.add_argument(
        "--write", type=Path, metavar="DOCUMENT", help="also put the table into a document; not with --quick or --only"
    )
    asked.add_argument(
        "--profile",
        type=int,
        metavar="RATE",
        nargs="?",
        const=1_000,
        help="sample each service at RATE leads/s instead",
    )
    return asked


if __name__ == "__main__":
    sys.exit(main())
