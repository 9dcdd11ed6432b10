"""what lists are ordered and narrowed by stands in their own index."""

from __future__ import annotations

from alembic import op

from serving.casework.migrations.signals import WORDS, column, read_bodies

revision = "0006"
down_revision: str | None = "0005"
branch_labels = None
depends_on = None

RUN = "the run whose list says what follows; empty where none does"
LISTED = ("area_code", "week", "due_at", "case_id", "state", "owner_account", *WORDS)


def upgrade() -> None:
    """To this version; what is there is carried over."""
    for name in ("owner_account", "run_id", "rank", *WORDS):
        op.add_column("casework_place", column(name, RUN if name == "run_id" else None))
    op.execute(
        "UPDATE casework_place SET owner_account = (SELECT owner_account FROM casework_case "
        "WHERE casework_case.case_id = casework_place.case_id), run_id = COALESCE((SELECT MAX(run_id) FROM "
        "casework_signal WHERE casework_signal.case_id = casework_place.case_id "
        "AND casework_signal.as_of = casework_place.week), '')"
    )
    # one household has one signal of a run, so that each of these is one value
    said = ", ".join(
        f"{name} = (SELECT {name} FROM casework_signal WHERE casework_signal.case_id = casework_place.case_id "
        "AND casework_signal.run_id = casework_place.run_id)"
        for name in ("rank", *WORDS)
    )
    op.execute(f"UPDATE casework_place SET {said} WHERE run_id <> ''")
    op.drop_index("casework_place_week", table_name="casework_place")
    op.create_index("casework_place_listed", "casework_place", list(LISTED), unique=False)
    op.create_index("casework_place_rank", "casework_place", ["area_code", "week", "rank", "case_id"], unique=False)
    op.drop_index("casework_signal_rank", table_name="casework_signal")
    for name in (*WORDS, "rank"):
        op.drop_column("casework_signal", name)


def downgrade() -> None:
    """Back to the version before."""
    for name in ("rank", *WORDS):
        op.add_column("casework_signal", column(name))
    read_bodies(op.get_bind())
    op.create_index("casework_signal_rank", "casework_signal", ["as_of", "rank", "case_id"], unique=False)
    op.drop_index("casework_place_rank", table_name="casework_place")
    op.drop_index("casework_place_listed", table_name="casework_place")
    week = ["area_code", "week", "due_at", "case_id", "state"]
    op.create_index("casework_place_week", "casework_place", week, unique=False)
    for name in (*reversed(WORDS), "rank", "run_id", "owner_account"):
        op.drop_column("casework_place", name)
