"""Databases of several sizes on one server: each a copy of the one that a service has written, filled with that many times as much,
and there again for who comes back to a server that is kept."""

from __future__ import annotations

from urllib.parse import urlsplit

import psycopg

from tests.load.growing import run as execute
from tests.support.servers import SharedPostgres

WHOLE = "whole"


class Sized:
    """The databases of one server, reached by the URL of one of them."""

    def __init__(self, any_url: str) -> None:
        self._any_url = any_url
        self._server = SharedPostgres(any_url)

    def url(self, name: str) -> str:
        """Where a database is reached."""
        return self._server.url(name)

    def is_whole(self, name: str) -> bool:
        """Whether a database is there and was finished; what was begun only is dropped."""
        with psycopg.connect(self._any_url, autocommit=True) as connection:
            row = connection.execute(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
            ).fetchone()
            if row is not None and row[0] != WHOLE:
                execute(connection, f"DROP DATABASE {name} WITH (FORCE)")
        return row is not None and row[0] == WHOLE

    def copy(self, url: str, name: str) -> str:
        """Another database like one that nobody is connected to; its URL."""
        with psycopg.connect(self.url("template1"), autocommit=True) as connection:
            execute(connection, f"CREATE DATABASE {name} TEMPLATE {urlsplit(url).path.removeprefix('/')}")
        return self.url(name)

    def finished(self, name: str) -> None:
        """From now on it is whole."""
        with psycopg.connect(self._any_url, autocommit=True) as connection:
            execute(connection, f"COMMENT ON DATABASE {name} IS '{WHOLE}'")
