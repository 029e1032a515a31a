"""Whose visitors they are is kept as long as the lead: nobody looks for it by its day any more."""

from __future__ import annotations

from shared.kit.alembic import indexes

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """An index less to write."""
    indexes.drop("pipeline", "visitor_leads_day")


def downgrade() -> None:
    """They are let go of by their day again."""
    indexes.build("pipeline", {"visitor_leads_day": "visitor_leads (day)"})
