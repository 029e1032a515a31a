"""Schema history, one folder a service, run once by whoever comes first."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import alembic.command
import alembic.config

from shared.kit.engines import psycopg_url

PLACE = Path(__file__).parent / "alembic"


def migrate(schema: str, versions: Path, url: str) -> None:
    """Brings a service's schema to its newest revision. Safe to run from several processes at once: one works, the
    others wait for it."""
    configuration = alembic.config.Config()
    configuration.set_main_option("script_location", str(PLACE))
    configuration.set_main_option("version_locations", str(versions))
    configuration.set_main_option("path_separator", "newline")
    configuration.attributes["schema"] = schema
    configuration.attributes["url"] = psycopg_url(url)
    alembic.command.upgrade(configuration, "head")


class Statements(Protocol):
    """Whatever runs a statement: Alembic's `op`, or a connection of a test."""

    def execute(self, sql: str, /) -> object:
        """Runs it."""
        ...


def create_delivery_tables(op: Statements, schema: str) -> None:
    """The tables of the delivery pattern as of its first version: positions, outgoing messages, dead letters."""
    op.execute(
        f"""
        CREATE TABLE {schema}.consumer_offsets (
            topic text NOT NULL,
            partition integer NOT NULL,
            first_offset bigint NOT NULL,
            next_offset bigint NOT NULL,
            facts bigint NOT NULL,
            duplicates bigint NOT NULL,
            waiting bigint NOT NULL,
            dead_lettered bigint NOT NULL,
            record_timestamp timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            PRIMARY KEY (topic, partition)
        )"""
    )
    op.execute(
        f"""
        CREATE TABLE {schema}.outbox (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            messages integer NOT NULL,
            frame bytea NOT NULL
        )"""
    )
    op.execute(
        f"""
        CREATE TABLE {schema}.dead_letters (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            topic text NOT NULL,
            partition integer NOT NULL,
            record_offset bigint NOT NULL,
            record_timestamp timestamptz NOT NULL,
            key bytea,
            value bytea,
            headers jsonb NOT NULL,
            event_id uuid,
            stage text NOT NULL,
            reason text NOT NULL,
            detail text NOT NULL,
            recorded_at timestamptz NOT NULL,
            attempts integer NOT NULL,
            status text NOT NULL,
            settled_at timestamptz,
            UNIQUE (topic, partition, record_offset)
        )"""
    )
    op.execute(f"CREATE INDEX ON {schema}.dead_letters (recorded_at) WHERE status = 'open'")
    op.execute(f"CREATE INDEX ON {schema}.dead_letters (event_id) WHERE event_id IS NOT NULL")
