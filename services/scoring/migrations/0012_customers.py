"""Beside each score stands how likely the lead becomes a customer, too."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

COLUMNS = {
    "customer_probability": "double precision",
    "customer_contributions": "jsonb",
    "customer_model_version": "text",
}


def upgrade() -> None:
    """Room for it, empty until the next event of each lead."""
    added = ", ".join(f"ADD COLUMN {name} {kind}" for name, kind in COLUMNS.items())
    op.execute(f"ALTER TABLE scoring.leads {added}")


def downgrade() -> None:
    """As it was."""
    dropped = ", ".join(f"DROP COLUMN {name}" for name in COLUMNS)
    op.execute(f"ALTER TABLE scoring.leads {dropped}")
