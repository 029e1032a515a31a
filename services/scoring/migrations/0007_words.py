"""The last that was said about whether a lead is a test or spam, beside the lead, so that scores leave out what is marked."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Room for it, with what was said so far. What was captured before marks were kept still counts."""
    op.execute("ALTER TABLE scoring.leads ADD COLUMN word text, ADD COLUMN word_version bigint")
    op.execute(
        """
        UPDATE scoring.leads SET word = said.mark, word_version = said.version FROM (
            SELECT DISTINCT ON (lead_id) lead_id, mark, version FROM scoring.outcomes
            WHERE kind = 'marked' ORDER BY lead_id, version DESC
        ) said WHERE leads.lead_id = said.lead_id
        """
    )


def downgrade() -> None:
    """As it was."""
    op.execute("ALTER TABLE scoring.leads DROP COLUMN word, DROP COLUMN word_version")
