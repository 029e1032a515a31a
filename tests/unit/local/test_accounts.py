"""Started by root, PostgreSQL runs as another account that can really reach its files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.cli.local.accounts import command_prefix
from tests.support.processes import own_folder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


@pytest.fixture
def looker(tmp_path: Path) -> Path:
    """A program that looks at itself once it runs, as a server does that has to find its own files."""
    closed = tmp_path / "closed"
    program = closed / "open" / "looker"
    program.parent.mkdir(parents=True)
    shutil.copy("/bin/stat", program)
    closed.chmod(0o700)
    return program


@pytest.fixture
def data() -> Iterator[Path]:
    """A folder that anybody can get to."""
    with own_folder("accounts") as folder:
        yield folder


def test_a_program_under_a_closed_directory_finds_itself_when_it_runs(looker: Path, data: Path) -> None:
    prefix = command_prefix(looker, data)
    done = subprocess.run([*prefix, str(looker), str(looker)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
