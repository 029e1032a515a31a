"""Alembic's entry point, the same for every service: its own version table in its own schema, under one lock."""

from __future__ import annotations

import time

from alembic import context
from sqlalchemy import create_engine, pool, text

configuration = context.config
schema = configuration.attributes["schema"]
engine = create_engine(configuration.attributes["url"], poolclass=pool.NullPool, hide_parameters=True)

with engine.connect() as connection:
    # Asked for again and again: whoever waits for it in a statement is a transaction, and an index that is made beside
    # everybody waits for every transaction.
    while not connection.scalar(
        text("SELECT pg_try_advisory_lock(hashtext(:name))"), {"name": f"leadflow-migrate-{schema}"}
    ):
        connection.rollback()
        time.sleep(0.2)
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
    connection.execute(text("SET lock_timeout = '10s'"))
    connection.commit()
    # Each revision is committed alone: what one locks nobody waits for while the next one works.
    context.configure(
        connection=connection,
        version_table="schema_history",
        version_table_schema=schema,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
    connection.execute(text("SELECT pg_advisory_unlock(hashtext(:name))"), {"name": f"leadflow-migrate-{schema}"})
    connection.commit()
