"""Orders that run out are found by when they do, and those that renew them by what they renew."""

from __future__ import annotations

from shared.kit.alembic import indexes

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

INDEXES = {
    "orders_run_out": (
        "orders (business_unit, runs_until, order_id) WHERE runs_until IS NOT NULL AND status = 'placed'"
    ),
    "orders_renewing": "orders (business_unit, renews) WHERE renews IS NOT NULL",
}


def upgrade() -> None:
    """Along an index each."""
    indexes.build("pipeline", INDEXES)


def downgrade() -> None:
    """Nobody looks for them."""
    indexes.drop("pipeline", *INDEXES)
