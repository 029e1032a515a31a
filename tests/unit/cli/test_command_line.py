"""Which commands there are, and that one of them does not wait for the others."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from shared.cli.main import COMMANDS, command_line


def test_the_help_names_every_command() -> None:
    said = CliRunner().invoke(command_line(), ["--help"], env={"COLUMNS": "200"})
    assert said.exit_code == 0
    assert [name for name in COMMANDS if f"│ {name} " not in said.stdout] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_alone_is_the_one_among_all(name: str) -> None:
    alone = CliRunner().invoke(command_line(name), [name, "--help"])
    assert alone.exit_code == 0
    assert alone.stdout == CliRunner().invoke(command_line(), [name, "--help"]).stdout


def test_a_command_that_there_is_not_is_refused_with_those_it_resembles() -> None:
    refused = CliRunner().invoke(command_line("aduit"), ["aduit"])
    assert refused.exit_code == 2
    assert "'audit'" in refused.output


def test_a_command_imports_no_other() -> None:
    look = "import sys; from shared.cli.main import command_line; command_line('report'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.split()
    assert "shared.cli.report" in loaded
    assert not {"shared.cli.audit", "shared.cli.importing", "sqlalchemy", "aiokafka"} & set(loaded)
