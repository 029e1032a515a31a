"""Ids as the database tells them, in half of the time that their constructor takes: a batch reads thousands."""

from __future__ import annotations

from uuid import UUID, SafeUUID

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader

_put = object.__setattr__


class IdLoader(Loader):
    """An id from its text, which the database has checked."""

    def load(self, data: Buffer) -> UUID:
        made = UUID.__new__(UUID)
        _put(made, "int", int(bytes(data).replace(b"-", b""), 16))
        _put(made, "is_safe", SafeUUID.unknown)
        return made


def install() -> None:
    """For every connection that is made from now on."""
    psycopg.adapters.register_loader("uuid", IdLoader)
