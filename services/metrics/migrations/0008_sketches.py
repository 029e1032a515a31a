"""How durations, amounts and scores are spread, kept so that quantiles and curves read few rows."""

from __future__ import annotations

import sqlalchemy
from alembic import op

from services.metrics.domain.sketches import SKETCHED
from services.metrics.storage.sketches import fill_sql, parameters_of

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Cells, and changes that wait to be merged into them; filled from the entries there are."""
    op.execute(
        """
        CREATE TABLE metrics.sketches (
            measure text NOT NULL,
            kind text NOT NULL,
            dimension text NOT NULL,
            block integer NOT NULL,
            business_unit text NOT NULL,
            value text NOT NULL,
            currency text NOT NULL,
            bucket integer NOT NULL,
            age_days integer NOT NULL,
            count bigint NOT NULL,
            total bigint NOT NULL,
            squares bigint NOT NULL,
            PRIMARY KEY (measure, kind, dimension, block, business_unit, value, currency, bucket, age_days)
        )"""
    )
    op.execute(
        """
        CREATE TABLE metrics.sketch_changes (
            change_id bigint GENERATED ALWAYS AS IDENTITY,
            measure text NOT NULL,
            day date NOT NULL,
            business_unit text NOT NULL,
            channel text,
            source text,
            campaign text,
            product text,
            owner text,
            team text,
            grade text,
            stage text,
            reason text,
            currency text NOT NULL,
            duration_bucket integer,
            amount_bucket integer,
            score integer,
            permille integer,
            age_days integer NOT NULL,
            count bigint NOT NULL,
            total bigint NOT NULL,
            squares bigint NOT NULL
        ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)"""
    )
    connection = op.get_bind()
    for measure in sorted(SKETCHED):
        connection.execute(sqlalchemy.text(fill_sql(measure)), parameters_of(measure))


def downgrade() -> None:
    """As it was."""
    op.execute("DROP TABLE metrics.sketch_changes")
    op.execute("DROP TABLE metrics.sketches")
