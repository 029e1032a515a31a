"""Who holds which open lead, how many each has, whose turn it is, who is away; first assignment and first response for ever."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables and fills them from what is there."""
    op.execute("ALTER TABLE pipeline.leads ADD COLUMN first_assigned_at timestamptz")
    op.execute("ALTER TABLE pipeline.leads ADD COLUMN first_response_at timestamptz")
    op.execute(
        """
        UPDATE pipeline.leads l SET first_assigned_at = f.assigned, first_response_at = f.responded FROM (
            SELECT m.root_id, min(h.occurred_at) FILTER (WHERE h.event = 'LeadAssigned') AS assigned,
                min(h.occurred_at) FILTER (WHERE h.event = 'ContactAttempted'
                    AND coalesce(CAST(h.data ->> 'human' AS boolean), true)
                    AND coalesce(CAST(h.data ->> 'outbound' AS boolean), true)) AS responded
            FROM pipeline.history h JOIN pipeline.leads m USING (lead_id)
            WHERE h.event IN ('LeadAssigned', 'ContactAttempted') GROUP BY m.root_id
        ) f WHERE f.root_id = l.lead_id"""
    )
    op.execute(
        """
        CREATE TABLE pipeline.worklist (
            lead_id uuid PRIMARY KEY,
            business_unit text NOT NULL,
            owner text,
            score integer,
            since timestamptz NOT NULL
        )"""
    )
    op.execute(
        """
        INSERT INTO pipeline.worklist (lead_id, business_unit, owner, score, since)
        SELECT lead_id, business_unit, owner, score, coalesce(assigned_at, qualified_at) FROM pipeline.leads
        WHERE lead_id = root_id AND mark IS NULL
            AND (assigned_at IS NOT NULL AND status IN ('working', 'qualified')
                OR status = 'qualified' AND qualified_at IS NOT NULL)"""
    )
    op.execute("CREATE INDEX worklist_by_owner ON pipeline.worklist (owner, score)")
    op.execute("CREATE INDEX worklist_waiting ON pipeline.worklist (business_unit, since) WHERE owner IS NULL")
    op.execute(
        """
        CREATE TABLE pipeline.owner_loads (
            business_unit text NOT NULL,
            owner text NOT NULL,
            leads integer NOT NULL,
            PRIMARY KEY (business_unit, owner)
        )"""
    )
    op.execute(
        """
        INSERT INTO pipeline.owner_loads (business_unit, owner, leads)
        SELECT business_unit, owner, count(*) FROM pipeline.worklist WHERE owner IS NOT NULL GROUP BY 1, 2"""
    )
    op.execute(
        """
        CREATE TABLE pipeline.team_tracks (
            business_unit text NOT NULL,
            team text NOT NULL,
            last bigint NOT NULL,
            places jsonb NOT NULL,
            PRIMARY KEY (business_unit, team)
        )"""
    )
    op.execute(
        """
        CREATE TABLE pipeline.absences (
            absence_id uuid PRIMARY KEY,
            business_unit text NOT NULL,
            owner text NOT NULL,
            starts_at timestamptz NOT NULL,
            ends_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL
        )"""
    )
    op.execute("CREATE INDEX absences_by_owner ON pipeline.absences (business_unit, owner, ends_at)")


def downgrade() -> None:
    """Forgets who was away and whose turn it was; who has which lead stays with the lead."""
    for table in ("absences", "team_tracks", "owner_loads", "worklist"):
        op.execute(f"DROP TABLE pipeline.{table}")
    op.execute("ALTER TABLE pipeline.leads DROP COLUMN first_response_at")
    op.execute("ALTER TABLE pipeline.leads DROP COLUMN first_assigned_at")
