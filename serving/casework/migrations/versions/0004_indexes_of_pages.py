"""indexes that pages and the clock's round go by."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels = None
depends_on = None

INDEXES = (
    ("casework_case_due", "casework_case", ["due_at", "state", "case_id"]),
    ("casework_place_week", "casework_place", ["area_code", "week", "due_at", "case_id", "state"]),
    ("casework_count_area", "casework_count", ["area_code", "week", "state", "cases"]),
    ("casework_finding_case", "casework_finding", ["case_id"]),
    ("casework_referral_case", "casework_referral", ["case_id", "open", "due_at"]),
    ("casework_signal_household", "casework_signal", ["household_id", "as_of"]),
)


def upgrade() -> None:
    """To this version."""
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns, unique=False)


def downgrade() -> None:
    """Back to the version before."""
    for name, table, _ in reversed(INDEXES):
        op.drop_index(name, table_name=table)
