"""One command for many leads is a job."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables. Nearly every item is written once more, beside its neighbours."""
    op.execute(
        """
        CREATE TABLE pipeline.bulk_jobs (
            job_id uuid PRIMARY KEY,
            fingerprint text NOT NULL,
            doing text NOT NULL,
            said jsonb NOT NULL,
            actor text NOT NULL,
            units text[],
            status text NOT NULL,
            items integer NOT NULL,
            done integer NOT NULL,
            refused integer NOT NULL,
            worker uuid,
            leased_until timestamptz,
            created_at timestamptz NOT NULL,
            started_at timestamptz,
            ended_at timestamptz
        )"""
    )
    op.execute("CREATE INDEX bulk_jobs_open ON pipeline.bulk_jobs (created_at) WHERE status IN ('waiting', 'running')")
    op.execute("CREATE INDEX bulk_jobs_by_creation ON pipeline.bulk_jobs (created_at, job_id)")
    op.execute(
        """
        CREATE TABLE pipeline.bulk_items (
            job_id uuid NOT NULL,
            place integer NOT NULL,
            lead_id uuid,
            outcome text,
            code text,
            detail text,
            PRIMARY KEY (job_id, place)
        )"""
    )
    op.execute("CREATE INDEX bulk_items_left ON pipeline.bulk_items (job_id, place) WHERE outcome IS NULL")


def downgrade() -> None:
    """What was done is in the histories of the leads."""
    op.execute("DROP TABLE pipeline.bulk_items")
    op.execute("DROP TABLE pipeline.bulk_jobs")
