"""Who was locked out: PostgreSQL ends one of two transactions that wait for each other, and counts it."""

from __future__ import annotations

import psycopg

from shared.kit.database import Database
from tests.support.patience import eventually

QUICKLY = ("deadlock_timeout = '50ms'", "log_lock_waits = on")


def found_quickly(url: str) -> None:
    """Has the server look for deadlocks of this database after 50 ms and not a second, and write down who waited for whom. To come
    before anybody is connected."""
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in QUICKLY:
            connection.execute(f"ALTER DATABASE {connection.info.dbname} SET {setting}".encode())


async def locked_out(url: str, *databases: Database) -> int:
    """How many deadlocks this database has had. Sessions tell what they have counted when they end, and not before: so those of
    `databases` are ended."""
    for database in databases:
        await database.close()
    with psycopg.connect(url, autocommit=True) as connection:

        def alone() -> bool:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
            ).fetchone()
            return row == (1,)

        await eventually(alone)
        row = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert row is not None
    return int(row[0])
