"""cases, referrals, logs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from serving.casework.database import changes_nothing

revision = "0001"
down_revision: str | None = None
ONLY_GROW = ("casework_event", "casework_audit", "casework_signed_day")
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "casework_audit",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=80), nullable=False),
        sa.Column("area_code", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("casework_audit_at", "casework_audit", ["at", "seq"], unique=False)
    op.create_index("casework_audit_subject", "casework_audit", ["subject", "seq"], unique=False)
    op.create_table(
        "casework_audit_head",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )
    op.create_table(
        "casework_case",
        sa.Column("case_id", sa.String(length=80), nullable=False),
        sa.Column("household_id", sa.String(length=80), nullable=False),
        sa.Column("area_code", sa.String(length=80), nullable=False),
        sa.Column(
            "week", sa.Date(), nullable=False, comment="as-of day of the list that opened it, or the day it was found"
        ),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("owner_role", sa.String(length=80), nullable=False),
        sa.Column("owner_area", sa.String(length=80), nullable=False),
        sa.Column("owner_account", sa.String(length=80), nullable=False),
        sa.Column("due_at", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.String(length=32), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_index("casework_case_household", "casework_case", ["household_id", "case_id"], unique=False)
    op.create_index(
        "casework_case_open",
        "casework_case",
        ["household_id"],
        unique=True,
        sqlite_where=sa.text("state <> 'closed'"),
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_index(
        "casework_case_owner", "casework_case", ["owner_account", "due_at", "case_id", "state"], unique=False
    )
    op.create_table(
        "casework_count",
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("area_code", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("week", "area_code", "state"),
    )
    op.create_table(
        "casework_event",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("case_id", sa.String(length=80), nullable=False),
        sa.Column("household_id", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="version of the case that it made"),
        sa.Column("place", sa.Integer(), nullable=False, comment="its place among the events of that version"),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=80), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("casework_event_household", "casework_event", ["household_id", "at", "seq"], unique=False)
    op.create_index("casework_event_version", "casework_event", ["case_id", "version", "place"], unique=True)
    op.create_table(
        "casework_finding",
        sa.Column("finding_id", sa.String(length=80), nullable=False, comment="case and round"),
        sa.Column("case_id", sa.String(length=80), nullable=False),
        sa.Column("household_id", sa.String(length=80), nullable=False),
        sa.Column("run_id", sa.String(length=80), nullable=False),
        sa.Column("found_on", sa.Date(), nullable=False),
        sa.Column("delivered_at", sa.String(length=32), nullable=True),
        sa.Column("delivery_id", sa.String(length=80), nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("finding_id"),
    )
    op.create_index("casework_finding_waiting", "casework_finding", ["delivered_at", "finding_id"], unique=False)
    op.create_table(
        "casework_outgoing",
        sa.Column("event_id", sa.String(length=80), nullable=False),
        sa.Column("area_code", sa.String(length=80), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_at", sa.String(length=32), nullable=False),
        sa.Column("carried_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index("casework_outgoing_waiting", "casework_outgoing", ["carried_at", "made_at"], unique=False)
    op.create_table(
        "casework_request",
        sa.Column("request_id", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("household_id", sa.String(length=80), nullable=False),
        sa.Column("area_code", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("due_at", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("casework_request_due", "casework_request", ["state", "due_at", "request_id"], unique=False)
    op.create_index("casework_request_household", "casework_request", ["household_id", "request_id"], unique=False)
    op.create_table(
        "casework_resource",
        sa.Column("resource_id", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("area_code", sa.String(length=80), nullable=False),
        sa.Column(
            "needs", sa.String(length=200), nullable=False, comment="need codes, with a bar on both sides of each"
        ),
        sa.Column(
            "remaining", sa.Integer(), nullable=True, comment="how often it can still be given; none: without limit"
        ),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("resource_id"),
    )
    op.create_index("casework_resource_area", "casework_resource", ["area_code", "kind", "resource_id"], unique=False)
    op.create_table(
        "casework_sealed",
        sa.Column("run_id", sa.String(length=80), nullable=False),
        sa.Column("household_id", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("stratum", sa.String(length=80), nullable=False),
        sa.Column("selection_probability", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "household_id"),
    )
    op.create_table(
        "casework_signal",
        sa.Column("run_id", sa.String(length=80), nullable=False),
        sa.Column("household_id", sa.String(length=80), nullable=False),
        sa.Column("case_id", sa.String(length=80), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "household_id"),
    )
    op.create_index("casework_signal_case", "casework_signal", ["case_id", "as_of"], unique=False)
    op.create_table(
        "casework_signed_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("first", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("last", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("previous", sa.String(length=80), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("day"),
    )
    op.create_table(
        "casework_week",
        sa.Column("run_id", sa.String(length=80), nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("opened_at", sa.String(length=32), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
    )
    op.create_table(
        "casework_worker",
        sa.Column("account", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=80), nullable=False),
        sa.Column("area_code", sa.String(length=80), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("away_from", sa.Date(), nullable=True),
        sa.Column("away_until", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_index("casework_worker_area", "casework_worker", ["area_code", "account"], unique=False)
    op.create_table(
        "casework_match",
        sa.Column("match_id", sa.String(length=80), nullable=False),
        sa.Column("resource_id", sa.String(length=80), nullable=False),
        sa.Column("case_id", sa.String(length=80), nullable=False),
        sa.Column("household_id", sa.String(length=80), nullable=False),
        sa.Column("need", sa.String(length=80), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["resource_id"],
            ["casework_resource.resource_id"],
        ),
        sa.PrimaryKeyConstraint("match_id"),
    )
    op.create_index("casework_match_case", "casework_match", ["case_id", "need"], unique=False)
    op.create_table(
        "casework_place",
        sa.Column("area_code", sa.String(length=80), nullable=False),
        sa.Column("case_id", sa.String(length=80), nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("due_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["casework_case.case_id"],
        ),
        sa.PrimaryKeyConstraint("area_code", "case_id"),
    )
    op.create_index(
        "casework_place_due", "casework_place", ["area_code", "due_at", "case_id", "state", "week"], unique=False
    )
    op.create_index("casework_place_state", "casework_place", ["area_code", "state", "due_at", "case_id"], unique=False)
    op.create_table(
        "casework_referral",
        sa.Column("referral_id", sa.String(length=80), nullable=False),
        sa.Column("case_id", sa.String(length=80), nullable=False),
        sa.Column("household_id", sa.String(length=80), nullable=False),
        sa.Column("area_code", sa.String(length=80), nullable=False),
        sa.Column("need", sa.String(length=80), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("sent_at", sa.String(length=32), nullable=False),
        sa.Column("due_at", sa.String(length=32), nullable=False),
        sa.Column("answered_at", sa.String(length=32), nullable=True),
        sa.Column(
            "code",
            sa.String(length=80),
            nullable=False,
            comment="the newest feedback code; empty where nothing was said",
        ),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["casework_case.case_id"],
        ),
        sa.PrimaryKeyConstraint("referral_id"),
    )
    op.create_index(
        "casework_referral_desk", "casework_referral", ["department", "open", "due_at", "referral_id"], unique=False
    )
    op.execute("INSERT INTO casework_audit_head (one, seq, digest) VALUES (1, 0, '')")
    for statement in changes_nothing(ONLY_GROW, sqlite=op.get_context().dialect.name == "sqlite"):
        op.execute(statement)


def downgrade() -> None:
    """Back to the version before."""
    op.drop_index("casework_referral_desk", table_name="casework_referral")
    op.drop_table("casework_referral")
    op.drop_index("casework_place_state", table_name="casework_place")
    op.drop_index("casework_place_due", table_name="casework_place")
    op.drop_table("casework_place")
    op.drop_index("casework_match_case", table_name="casework_match")
    op.drop_table("casework_match")
    op.drop_index("casework_worker_area", table_name="casework_worker")
    op.drop_table("casework_worker")
    op.drop_table("casework_week")
    op.drop_table("casework_signed_day")
    op.drop_index("casework_signal_case", table_name="casework_signal")
    op.drop_table("casework_signal")
    op.drop_table("casework_sealed")
    op.drop_index("casework_resource_area", table_name="casework_resource")
    op.drop_table("casework_resource")
    op.drop_index("casework_request_household", table_name="casework_request")
    op.drop_index("casework_request_due", table_name="casework_request")
    op.drop_table("casework_request")
    op.drop_index("casework_outgoing_waiting", table_name="casework_outgoing")
    op.drop_table("casework_outgoing")
    op.drop_index("casework_finding_waiting", table_name="casework_finding")
    op.drop_table("casework_finding")
    op.drop_index("casework_event_version", table_name="casework_event")
    op.drop_index("casework_event_household", table_name="casework_event")
    op.drop_table("casework_event")
    op.drop_table("casework_count")
    op.drop_index("casework_case_owner", table_name="casework_case")
    op.drop_index(
        "casework_case_open",
        table_name="casework_case",
        sqlite_where=sa.text("state <> 'closed'"),
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.drop_index("casework_case_household", table_name="casework_case")
    op.drop_table("casework_case")
    op.drop_table("casework_audit_head")
    op.drop_index("casework_audit_subject", table_name="casework_audit")
    op.drop_index("casework_audit_at", table_name="casework_audit")
    op.drop_table("casework_audit")
    if op.get_context().dialect.name != "sqlite":
        op.execute("DROP FUNCTION casework_refuse()")
