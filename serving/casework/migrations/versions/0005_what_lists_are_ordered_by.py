"""what lists are ordered and narrowed by stands beside what a list said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from serving.casework.tables import UNRANKED

revision = "0005"
down_revision: str | None = "0004"
branch_labels = None
depends_on = None

TEXTS = {"level": None, "change": None, "family": "of the first factor"}


def upgrade() -> None:
    """To this version; rows that are there are read once."""
    rank = "place by need; beyond every place where there is none"
    op.add_column(
        "casework_signal",
        sa.Column("rank", sa.Integer(), nullable=False, server_default=str(UNRANKED), comment=rank),
    )  # fmt: skip
    for name, comment in TEXTS.items():
        op.add_column(
            "casework_signal",
            sa.Column(name, sa.String(length=80), nullable=False, server_default="", comment=comment),
        )  # fmt: skip
    signal = sa.table(
        "casework_signal", sa.column("run_id", sa.String), sa.column("household_id", sa.String),
        sa.column("rank", sa.Integer), *(sa.column(name, sa.String) for name in TEXTS), sa.column("body", sa.JSON),
    )  # fmt: skip
    connection = op.get_bind()
    for run_id, household_id, body in connection.execute(
        sa.select(signal.c.run_id, signal.c.household_id, signal.c.body)
    ).fetchall():
        reasons, rank = body.get("reasons") or (), body.get("rank")
        connection.execute(
            signal.update()
            .where(signal.c.run_id == run_id, signal.c.household_id == household_id)
            .values(
                rank=UNRANKED if rank is None else int(rank),
                level=str(body.get("level") or ""),
                change=str(body.get("change") or ""),
                family=str(reasons[0]["family"]) if reasons else "",
            )
        )
    op.create_index("casework_signal_rank", "casework_signal", ["as_of", "rank", "case_id"], unique=False)


def downgrade() -> None:
    """Back to the version before."""
    op.drop_index("casework_signal_rank", table_name="casework_signal")
    for name in (*reversed(list(TEXTS)), "rank"):
        op.drop_column("casework_signal", name)
