"""What a lead was told first stands with its entries, so that scores can be held against what came of leads."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0003"
down_revision = "0002"


PAGE = """
    SELECT lead_id FROM (SELECT lead_id FROM metrics.leads WHERE lead_id > CAST(:after AS uuid) ORDER BY lead_id LIMIT 1000) AS page
    ORDER BY lead_id DESC LIMIT 1"""
"""Where the next page of people ends."""

FILL = """
    WITH held AS MATERIALIZED (
        SELECT lead_id FROM metrics.leads WHERE lead_id > CAST(:after AS uuid) AND lead_id <= CAST(:until AS uuid)
        ORDER BY lead_id FOR UPDATE
    )
    UPDATE metrics.entries AS e SET score = told.score, probability = told.probability
    FROM (
        SELECT DISTINCT ON (created.root_id) created.root_id, f.occurred_at AS at,
            CAST(f.data ->> 'score' AS integer) AS score, CAST(f.data ->> 'probability' AS double precision) AS probability,
            created.at AS created_at
        FROM metrics.entries AS created
        JOIN metrics.leads AS l ON l.root_id = created.root_id
        JOIN metrics.facts AS f ON f.lead_id = l.lead_id AND f.event = 'LeadGraded' AND f.occurred_at >= created.at
            AND NOT coalesce(CAST(f.data ->> 'historical' AS boolean), false)
        WHERE created.measure = 'lead_created' AND created.valid_to IS NULL
            AND created.root_id > CAST(:after AS uuid) AND created.root_id <= CAST(:until AS uuid)
        ORDER BY created.root_id, f.occurred_at, f.version, f.lead_id, f.event_id
    ) AS told
    LEFT JOIN metrics.entries AS converted ON converted.root_id = told.root_id
        AND converted.measure = 'cohort_converted' AND converted.valid_to IS NULL
    WHERE e.root_id = told.root_id AND e.root_id IN (SELECT lead_id FROM held) AND e.measure IN ('lead_created', 'cohort_converted')
        AND told.at <= told.created_at + interval '1 day' AND (converted.at IS NULL OR converted.at > told.at)"""


BEFORE_ALL = "00000000-0000-0000-0000-000000000000"


def upgrade() -> None:
    """Room for it, filled from the facts there are: some people at a time, held as those who fold hold them, so that these wait
    for a page at most, and whoever asks for nothing."""
    op.execute(
        """
        ALTER TABLE metrics.entries ADD COLUMN IF NOT EXISTS score integer,
            ADD COLUMN IF NOT EXISTS probability double precision"""
    )
    with op.get_context().autocommit_block():
        connection, after = op.get_bind(), BEFORE_ALL
        while (until := connection.scalar(text(PAGE), {"after": after})) is not None:
            connection.execute(text(FILL), {"after": after, "until": until})
            after = until


def downgrade() -> None:
    """As it was."""
    op.execute("ALTER TABLE metrics.entries DROP COLUMN score, DROP COLUMN probability")
