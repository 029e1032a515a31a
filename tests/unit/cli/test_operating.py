"""One command said of many, and who said it."""

from __future__ import annotations

import getpass

import pytest

from shared.cli.http import Refused
from shared.cli.operating import of_each, whoever


async def test_what_is_refused_for_one_is_told_and_done_for_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    async def act(one: int) -> str:
        if one == 2:
            raise Refused("capture", 409, {"detail": "it was [dropped]"})
        return "released"

    assert await of_each([1, 2, 3], act, done="released", left="still there") == 1
    assert capsys.readouterr().out.splitlines() == [
        "1: released",
        "2: capture refused the request (409): it was [dropped]",
        "3: released",
        "2 released, 1 still there.",
    ]


def test_an_account_without_a_name_is_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("uid not found: 1234")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert whoever() == "command line"
