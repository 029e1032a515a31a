"""People are found under keyed hashes, and who is probably one is kept for somebody to decide."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables. Who is there already is looked at once the policy of a unit asks for it."""
    op.execute("CREATE TABLE pipeline.match_units (business_unit text PRIMARY KEY, begun_at timestamptz NOT NULL)")
    op.execute(
        """
        CREATE TABLE pipeline.match_queue (
            place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            lead_id uuid NOT NULL
        )"""
    )
    op.execute(
        """
        CREATE TABLE pipeline.match_keys (
            token uuid NOT NULL,
            lead_id uuid NOT NULL,
            PRIMARY KEY (token, lead_id)
        )"""
    )
    op.execute("CREATE INDEX match_keys_of_lead ON pipeline.match_keys (lead_id)")
    op.execute(
        """
        CREATE TABLE pipeline.merge_candidates (
            candidate_id uuid PRIMARY KEY,
            lead_id uuid NOT NULL,
            other_id uuid NOT NULL,
            business_unit text NOT NULL,
            confidence double precision NOT NULL,
            bits double precision NOT NULL,
            contradicted boolean NOT NULL,
            automatic boolean NOT NULL,
            parts jsonb NOT NULL,
            content text NOT NULL,
            status text NOT NULL,
            found_at timestamptz NOT NULL,
            decided_at timestamptz,
            actor text
        )"""
    )
    op.execute("CREATE INDEX merge_candidates_by_confidence ON pipeline.merge_candidates (status, bits, candidate_id)")
    op.execute("CREATE INDEX merge_candidates_of_lead ON pipeline.merge_candidates (lead_id)")
    op.execute("CREATE INDEX merge_candidates_of_other ON pipeline.merge_candidates (other_id)")


def downgrade() -> None:
    """Forgets who was probably one; who was merged stays merged."""
    for table in ("merge_candidates", "match_keys", "match_queue", "match_units"):
        op.execute(f"DROP TABLE pipeline.{table}")
