"""Orders are found by the id that they have where they come from, and each is one lead's."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table, of what the history tells of orders so far."""
    op.execute(
        """
        CREATE TABLE pipeline.orders (
            business_unit text NOT NULL,
            order_id text NOT NULL,
            lead_id uuid NOT NULL,
            opportunity_id text,
            status text NOT NULL,
            amount text NOT NULL,
            currency text,
            refunded text NOT NULL,
            placed_at timestamptz NOT NULL,
            runs_until timestamptz,
            renews text,
            updated_at timestamptz NOT NULL,
            PRIMARY KEY (business_unit, order_id)
        )"""
    )
    op.execute("CREATE INDEX orders_lead ON pipeline.orders (lead_id)")
    op.execute("CREATE INDEX orders_id ON pipeline.orders (order_id)")
    op.execute(
        """
        INSERT INTO pipeline.orders (business_unit, order_id, lead_id, opportunity_id, status, amount, currency, refunded,
            placed_at, updated_at)
        SELECT l.business_unit, coalesce(h.data ->> 'order_id', h.event_id::text), h.lead_id, h.data ->> 'opportunity_id',
            'placed', h.data ->> 'amount', h.data ->> 'currency', '0', h.occurred_at, h.recorded_at
        FROM pipeline.history h JOIN pipeline.leads l USING (lead_id) WHERE h.event = 'OrderPlaced'
        ORDER BY h.occurred_at, h.version ON CONFLICT DO NOTHING"""
    )


def downgrade() -> None:
    """The history still has them."""
    op.execute("DROP TABLE pipeline.orders")
