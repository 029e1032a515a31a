"""Pipeline's schema is brought up to date while others work, on real PostgreSQL with rows."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

import services.pipeline
from shared.kit.migrations import migrate
from tests.integration.kit.test_revisions import LONGEST_SECONDS, longest_wait

MIGRATIONS = Path(services.pipeline.__file__).parent / "migrations"
LEADS = 20_000

ROWS = (
    f"""
    INSERT INTO pipeline.leads (lead_id, business_unit, root_id, version, status, created_at, first_fact_at, conflicts,
        personal, owner, campaign, updated_at)
    SELECT id, 'default', id, 1, 'qualified', now(), now(), 0, '{{}}', 'kim', 'spring', now()
    FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, {LEADS})) AS made""",
    """
    INSERT INTO pipeline.tasks (task_id, lead_id, business_unit, kind, name, owner, status, starts_at, due_at, updated_at)
    SELECT gen_random_uuid(), lead_id, 'default', 'step', 'call', 'kim', 'open', now(), now(), now() FROM pipeline.leads""",
    """
    INSERT INTO pipeline.identities (business_unit, kind, token, lead_id)
    SELECT 'default', 'email', CAST(lead_id AS text), lead_id FROM pipeline.leads""",
)
WRITING = (
    "UPDATE pipeline.leads SET version = version + 1 WHERE lead_id = (SELECT lead_id FROM pipeline.leads LIMIT 1)",
    "UPDATE pipeline.tasks SET outcome = 'x' WHERE task_id = (SELECT task_id FROM pipeline.tasks LIMIT 1)",
)

SLOWLY_ERASED = (
    """
    CREATE FUNCTION pipeline.slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF to_jsonb(NEW) ->> 'erased' = 'true' THEN PERFORM pg_sleep(0.5); END IF;
        RETURN NEW;
    END $$""",
    "CREATE TRIGGER slowly BEFORE UPDATE ON pipeline.leads FOR EACH ROW EXECUTE FUNCTION pipeline.slowly()",
)
"""As if those who were erased were many."""


def up_to(last: str, folder: Path) -> Path:
    """The revisions up to one."""
    for file in sorted(MIGRATIONS.glob("0*.py")):
        if file.name[:4] <= last:
            shutil.copy(file, folder)
    return folder


def test_leads_and_tasks_are_written_while_their_indexes_are_made_anew(database_url: str, tmp_path: Path) -> None:
    """Somebody who has not committed yet is waited for, and nobody waits behind that, nor for the indexes."""
    migrate("pipeline", up_to("0028", tmp_path), database_url)
    with psycopg.connect(database_url) as slow, ThreadPoolExecutor() as pool:
        for statement in ROWS:
            slow.execute(statement.encode())
        slow.commit()
        for table in ("leads", "tasks"):
            slow.execute(
                f"UPDATE pipeline.{table} SET owner = 'lee' WHERE ctid = (SELECT max(ctid) FROM pipeline.{table})".encode()
            )
        upgrade = pool.submit(migrate, "pipeline", MIGRATIONS, database_url)
        until = time.monotonic() + 3 * LONGEST_SECONDS
        waited = longest_wait(database_url, WRITING, lambda: time.monotonic() > until)
        assert not upgrade.done()
        slow.commit()
        assert waited < LONGEST_SECONDS
        upgrade.result(timeout=120)
        unfit = slow.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone()
        assert unfit == (0,)


def test_from_the_first_revision_on_leads_that_are_there_are_kept_and_found(database_url: str, tmp_path: Path) -> None:
    migrate("pipeline", up_to("0007", tmp_path), database_url)
    with psycopg.connect(database_url) as connection:
        for statement in ROWS:
            connection.execute(statement.encode())
        connection.commit()
        migrate("pipeline", MIGRATIONS, database_url)
        kept = connection.execute(
            "SELECT (SELECT count(*) FROM pipeline.leads), (SELECT count(*) FROM pipeline.identities)"
        ).fetchone()
        assert kept == (LEADS, LEADS)
        key = connection.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'identities_pkey'"
        ).fetchone()
        assert key == ("PRIMARY KEY (token, kind, business_unit)",)


def test_who_was_erased_before_is_marked_so_while_others_write(database_url: str, tmp_path: Path) -> None:
    """Nobody waits for the rows of those who were erased, and whoever is known again by any id is not among them."""
    migrate("pipeline", up_to("0038", tmp_path), database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in (*ROWS[:1], *SLOWLY_ERASED):
            connection.execute(statement.encode())
        lead_ids = [row[0] for row in connection.execute("SELECT lead_id FROM pipeline.leads LIMIT 12")]
        *gone, known, loser, root, told, told_root, other = lead_ids
        personal = 'UPDATE pipeline.leads SET personal = \'{"name": "Ann"}\' WHERE lead_id = %s'
        merged = "UPDATE pipeline.leads SET root_id = %s, merged_into = %s WHERE lead_id = %s"
        for one in (known, told):
            connection.execute(personal, (one,))
        for one, into in ((loser, root), (told, told_root)):
            connection.execute(merged, (into, into, one))
        for name in (*map(str, (*gone, known, loser, told_root)), "a token of an address"):
            connection.execute("INSERT INTO pipeline.erased VALUES (%s, now(), gen_random_uuid())", (name,))
        writing = f"UPDATE pipeline.leads SET version = version + 1 WHERE lead_id = '{other}'"
        with ThreadPoolExecutor() as pool:
            upgrade = pool.submit(migrate, "pipeline", MIGRATIONS, database_url)
            waited = longest_wait(database_url, [writing], upgrade.done)
            upgrade.result()
        assert waited < LONGEST_SECONDS
        found = {row[0] for row in connection.execute("SELECT lead_id FROM pipeline.leads WHERE erased")}
        assert found == {*gone, root}
