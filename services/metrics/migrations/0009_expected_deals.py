"""What open deals are expected to bring, and when."""

from __future__ import annotations

from alembic import op

from shared.kit.alembic import indexes

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Open deals folded before have neither until a rebuild."""
    op.execute(
        """
        ALTER TABLE metrics.entries ADD COLUMN IF NOT EXISTS expected_close timestamptz,
            ADD COLUMN IF NOT EXISTS expected_day date, ADD COLUMN IF NOT EXISTS pipeline text"""
    )
    indexes.build("metrics", {"entries_expected": "entries (expected_day) WHERE expected_day IS NOT NULL"})
    op.execute(
        """
        CREATE TABLE metrics.stage_chances (
            since timestamptz NOT NULL,
            business_unit text NOT NULL,
            pipeline text NOT NULL,
            stage text NOT NULL,
            policy_version text NOT NULL,
            chance double precision NOT NULL,
            PRIMARY KEY (since, business_unit, pipeline, stage)
        )"""
    )


def downgrade() -> None:
    """Nothing is expected."""
    op.execute("DROP TABLE metrics.stage_chances")
    op.execute("ALTER TABLE metrics.entries DROP COLUMN expected_close, DROP COLUMN expected_day, DROP COLUMN pipeline")
