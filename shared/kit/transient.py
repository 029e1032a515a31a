"""Which errors pass by themselves. Only an error of the data itself makes a record poison; everything that says "not
now" is waited out."""

from __future__ import annotations

import asyncio

import aiokafka.errors
import psycopg
import psycopg_pool
import sqlalchemy.exc

from shared.kit.errors import Retryable, Stopped

TRANSIENT_SQLSTATE_CLASSES = ("08", "53", "55", "57", "58", "25")
"""Connection, resources, object in use, operator intervention, system error, and a read-only standby during failover."""

TRANSIENT_SQLSTATES = frozenset({"40001", "40P01", "40003", "XX000"})


def is_transient(error: BaseException) -> bool:
    """True when trying the same again later can succeed."""
    if isinstance(error, Stopped):
        return False
    if isinstance(error, Retryable | OSError | TimeoutError | asyncio.TimeoutError | psycopg_pool.PoolTimeout):
        return True
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        if error.connection_invalidated:
            return True
        return error.orig is not None and is_transient(error.orig)
    if isinstance(error, sqlalchemy.exc.TimeoutError | sqlalchemy.exc.PendingRollbackError):
        return True
    if isinstance(error, psycopg.Error):
        state = error.sqlstate
        if state is None:
            return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return state in TRANSIENT_SQLSTATES or state.startswith(TRANSIENT_SQLSTATE_CLASSES)
    if isinstance(error, aiokafka.errors.KafkaError):
        return bool(error.retriable) or isinstance(
            error, aiokafka.errors.KafkaConnectionError | aiokafka.errors.KafkaTimeoutError
        )
    return False


def name_of(error: BaseException) -> str:
    """The kind of an error, for logs and labels: the driver's word where it was wrapped."""
    return type(getattr(error, "orig", None) or error).__name__
