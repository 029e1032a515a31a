"""One capture for all inputs of a worker, and what became of them at the end of the run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.budget import FULL
from tests.fuzz.serving import Serving, serving
from tests.support.servers import Databases

PROMISED, PROMISED_FROM = 10_000, 700
"""How many inputs a run tries that is asked for so many examples."""

RUNS = pytest.StashKey[list[Serving]]()


@pytest.fixture(scope="session")
def capture(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Serving]:
    """Capture, running."""
    url = databases.migrated("capture")
    with serving(url, tmp_path_factory.mktemp("fuzz")) as running:
        pytestconfig.stash.setdefault(RUNS, []).append(running)
        yield running
    databases.drop(url)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A long run that tried too little has not done what it is for."""
    runs = session.config.stash.get(RUNS, [])
    if (
        FULL >= PROMISED_FROM
        and runs
        and not session.config.option.keyword
        and sum(run.inputs.total() for run in runs) < PROMISED
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """How much was tried."""
    for run in config.stash.get(RUNS, []):
        terminalreporter.section(f"{run.inputs.total():,} inputs")
        for what, count in sorted(run.inputs.items()):
            terminalreporter.write_line(f"  {count:>7,} {what}")
        answers = ", ".join(f"{status}: {count:,}" for status, count in sorted(run.answers.items()))
        terminalreporter.write_line(f"answers {answers}")
        terminalreporter.write_line(
            f"{run.accepted:,} events were accepted and all are on the log; the slowest answer took {run.slowest_seconds:.2f} s"
        )
