"""What is to be put in order about which lead, and how far the look at all of them is."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables."""
    op.execute(
        """
        CREATE TABLE pipeline.hygiene (
            lead_id uuid NOT NULL,
            kind text NOT NULL,
            found_at timestamptz NOT NULL,
            business_unit text NOT NULL,
            facts jsonb NOT NULL,
            resolved_at timestamptz,
            PRIMARY KEY (lead_id, kind, found_at)
        )"""
    )
    op.execute("CREATE UNIQUE INDEX hygiene_open ON pipeline.hygiene (lead_id, kind) WHERE resolved_at IS NULL")
    op.execute("CREATE INDEX hygiene_by_unit ON pipeline.hygiene (business_unit, found_at, lead_id)")
    op.execute("CREATE INDEX hygiene_found ON pipeline.hygiene (found_at, lead_id)")
    op.execute(
        """
        CREATE TABLE pipeline.hygiene_look (
            look integer PRIMARY KEY,
            position uuid,
            began_at timestamptz NOT NULL,
            ended_at timestamptz,
            counted_at timestamptz,
            counts jsonb NOT NULL
        )"""
    )


def downgrade() -> None:
    """The next look finds it again."""
    op.execute("DROP TABLE pipeline.hygiene_look")
    op.execute("DROP TABLE pipeline.hygiene")
