"""PostgreSQL refuses to run as root. Started by root, it runs as the account `nobody` instead, in the gentlest way that
reaches its files: plainly, with the one capability that passes closed parent directories, or in a user namespace."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path

from shared.cli.local.errors import LocalRunError

ACCOUNT = "nobody"


def _as_account(uid: int, gid: int, capability: str | None) -> tuple[str, ...]:
    command = ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups")
    if capability is None:
        return (*command, "--inh-caps=-all", "--bounding-set=-all", "--")
    return (
        *command,
        "--securebits=+no_setuid_fixup",  # access(2) asks for it before it honours the capability
        f"--inh-caps=-all,+{capability}",
        f"--ambient-caps=-all,+{capability}",
        "--",
    )


def _in_namespace(uid: int, gid: int) -> tuple[str, ...]:
    return ("unshare", "--user", f"--map-user={uid}", f"--map-group={gid}", "--")


def _works(prefix: Sequence[str], program: Path, directory: Path) -> bool:
    try:
        # A program can be started where it cannot find itself afterwards: the change of account holds only from then on.
        reaches = ("test", "-x", str(program), "-a", "-w", str(directory), "-a", "-x", str(directory))
        for command in ((str(program), "--version"), reaches):
            subprocess.run([*prefix, *command], check=True, capture_output=True, timeout=20, cwd="/")
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def command_prefix(program: Path, directory: Path) -> tuple[str, ...]:
    """What to put before a PostgreSQL command so that it may run here and write `directory`; nothing for users.

    `directory` is created if need be and given to whoever will write in it. Raises `LocalRunError` when no way works.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return ()
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise LocalRunError(
            f"PostgreSQL cannot run as root and there is no account `{ACCOUNT}` here; run this as another user."
        ) from None
    uid, gid = account.pw_uid, account.pw_gid
    ways = [(uid, _as_account(uid, gid, capability)) for capability in (None, "dac_read_search", "dac_override")]
    ways.append((0, _in_namespace(uid, gid)))
    if (directory / "data").exists():
        owner = (directory / "data").stat().st_uid
        ways.sort(key=lambda way: way[0] != owner)
    for owner, prefix in ways:
        _give(directory, owner)
        if _works(prefix, program, directory):
            return prefix
    raise LocalRunError(
        f"PostgreSQL cannot run as root, and the account `{ACCOUNT}` cannot reach {directory} or {program}.\n"
        "Run this as another user, or open the directories above them with: chmod o+x DIRECTORY"
    )


def _give(directory: Path, owner: int) -> None:
    if directory.stat().st_uid == owner:
        return
    for path in (directory, *directory.rglob("*")):
        os.chown(path, owner, -1, follow_symlinks=False)
