"""What a lead was told first stands with its entries, so that scores can be held against what came of leads."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


FILL = """
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
        ORDER BY created.root_id, f.occurred_at, f.version, f.lead_id, f.event_id
    ) AS told
    LEFT JOIN metrics.entries AS converted ON converted.root_id = told.root_id
        AND converted.measure = 'cohort_converted' AND converted.valid_to IS NULL
    WHERE e.root_id = told.root_id AND e.measure IN ('lead_created', 'cohort_converted')
        AND told.at <= told.created_at + interval '1 day' AND (converted.at IS NULL OR converted.at > told.at)"""


def upgrade() -> None:
    """Room for it, filled from the facts there are."""
    op.execute("ALTER TABLE metrics.entries ADD COLUMN score integer, ADD COLUMN probability double precision")
    op.execute(FILL)


def downgrade() -> None:
    """As it was."""
    op.execute("ALTER TABLE metrics.entries DROP COLUMN score, DROP COLUMN probability")
