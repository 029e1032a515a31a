"""What waits is found by its place, and identities by their token alone, so that neither is searched through from end to end;
leads are found by their unit."""

from __future__ import annotations

from alembic import op

from shared.kit.alembic import indexes

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A key that begins with what is asked for, and costs each identity no more than before."""
    indexes.build(
        "pipeline",
        {
            "waiting_identities_token": "waiting_identities (token)",
            "leads_by_unit": "leads (business_unit, created_at, lead_id)",
        },
    )
    indexes.rekey("pipeline", "identities", "token, kind, business_unit")
    indexes.rekey("pipeline", "waiting_identities", "lead_id, event_id, token")


def downgrade() -> None:
    """As it was."""
    op.execute("DROP INDEX pipeline.leads_by_unit")
    op.execute("DROP INDEX pipeline.waiting_identities_token")
    op.execute(
        """
        ALTER TABLE pipeline.waiting_identities DROP CONSTRAINT waiting_identities_pkey,
            ADD CONSTRAINT waiting_identities_pkey PRIMARY KEY (token, lead_id, event_id)"""
    )
    op.execute(
        """
        ALTER TABLE pipeline.identities DROP CONSTRAINT identities_pkey,
            ADD CONSTRAINT identities_pkey PRIMARY KEY (business_unit, kind, token)"""
    )
