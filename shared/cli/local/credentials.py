"""Development credentials: generated once, kept where only their owner can read them."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from shared.cli.local.errors import LocalRunError

CAPTURE_KEY = "LEADFLOW_CAPTURE_KEY"
API_TOKEN = "LEADFLOW_API_TOKEN"  # noqa: S105 - a variable's name
IDENTITY_SECRET = "LEADFLOW_IDENTITY_SECRET"  # noqa: S105
DATABASE_PASSWORD = "LEADFLOW_DATABASE_PASSWORD"  # noqa: S105
ALL_SCOPES = "write+backdate+impersonate+reconcile+upload"

HEADER = """\
# Generated for the embedded run, and for nothing else. Anyone with this file can read and write its data.
# LEADFLOW_IDENTITY_SECRET decides every lead id: with another one the same person is another lead.
"""


def generated() -> dict[str, str]:
    """New credentials."""
    return {
        CAPTURE_KEY: f"lf_dev_{secrets.token_urlsafe(24)}",
        API_TOKEN: f"lf_token_{secrets.token_urlsafe(24)}",
        IDENTITY_SECRET: secrets.token_hex(32),
        DATABASE_PASSWORD: secrets.token_hex(16),
    }


def read_credentials(path: Path) -> dict[str, str]:
    """The credentials in a file; empty when there is none. Raises `LocalRunError` when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LocalRunError(f"{path} cannot be read ({error.strerror}); run this as the user who started it.") from None
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def ensure_credentials(path: Path) -> dict[str, str]:
    """The credentials in a file, which is written, mode 0600, with whatever was missing from it."""
    known = read_credentials(path)
    complete = {**generated(), **{name: value for name, value in known.items() if value}}
    if complete != known or path.stat().st_mode & 0o077:
        _write_private(path, HEADER + "".join(f"{name}={value}\n" for name, value in complete.items()))
    return complete


def _write_private(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
        handle.write(text)
    fresh.replace(path)


def capture_keys(credentials: Mapping[str, str]) -> str:
    """What capture is told about the development key: its sender's name, its SHA-256, its scopes."""
    digest = hashlib.sha256(credentials[CAPTURE_KEY].encode()).hexdigest()
    return f"development={digest}:{ALL_SCOPES}"
