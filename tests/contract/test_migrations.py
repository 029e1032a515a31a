"""The tables a service's code believes in are the tables its migrations make."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

from shared.kit.engines import psycopg_url

DELIVERY_TABLES = {"consumer_offsets", "outbox", "dead_letters", "schema_history"}


def tables_of(service: str) -> MetaData:
    storage = import_module(f"services.{service}.storage")
    metadatas = {
        one.metadata
        for one in vars(storage).values()
        if isinstance(one, type) and issubclass(one, SQLModel) and one.metadata.schema == service
    }
    assert len(metadatas) == 1, f"services.{service}.storage should export its tables, of one metadata"
    return metadatas.pop()


@pytest.mark.parametrize("service", ["capture", "scoring", "pipeline", "metrics"])
def test_migrations_and_tables_agree(service: str, migrated_database: Callable[..., str]) -> None:
    engine = create_engine(psycopg_url(migrated_database(service)), poolclass=NullPool)

    def ours(_object: object, name: str | None, kind: str, _reflected: bool, _compared: object) -> bool:
        return not (kind == "table" and name in DELIVERY_TABLES)

    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == service,
                "include_object": ours,
                "compare_type": True,
            },
        )
        differences = compare_metadata(context, tables_of(service))
    assert differences == []
