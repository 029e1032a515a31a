"""Webhooks know who made and changed them and for whom they go on, have a version, and their changes are on record."""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of endpoints from before nobody knows who made them: they go on until somebody is named."""
    op.execute(
        """
        ALTER TABLE pipeline.webhook_endpoints ADD COLUMN version integer NOT NULL DEFAULT 1, ADD COLUMN created_by text,
            ADD COLUMN changed_by text, ADD COLUMN vouched_by text, ADD COLUMN vouched_at timestamptz"""
    )
    op.execute(
        """
        CREATE TABLE pipeline.webhook_changes (
            endpoint_id uuid NOT NULL,
            version integer NOT NULL,
            changed_at timestamptz NOT NULL,
            what text NOT NULL,
            actor text NOT NULL,
            credentials text NOT NULL,
            CONSTRAINT webhook_changes_pkey PRIMARY KEY (endpoint_id, version)
        )"""
    )


def downgrade() -> None:
    """Who did what is not known any more."""
    op.execute("DROP TABLE pipeline.webhook_changes")
    op.execute(
        """
        ALTER TABLE pipeline.webhook_endpoints DROP COLUMN version, DROP COLUMN created_by, DROP COLUMN changed_by,
            DROP COLUMN vouched_by, DROP COLUMN vouched_at"""
    )
