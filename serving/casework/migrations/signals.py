"""What steps of the schema do alike to the signals; frozen with them, whatever the code makes of a signal later."""

from __future__ import annotations

import sqlalchemy as sa

UNRANKED = 10**9
WORDS = ("level", "change", "family")
RANK = "place by need; beyond every place where there is none"
FAMILY = "of the first factor"


def column(name: str, comment: str | None = None) -> sa.Column[str] | sa.Column[int]:
    """A column of what lists are ordered and narrowed by, on whatever table."""
    if name == "rank":
        return sa.Column(name, sa.Integer(), nullable=False, server_default=str(UNRANKED), comment=RANK)
    said = FAMILY if name == "family" else comment
    return sa.Column(name, sa.String(length=80), nullable=False, server_default="", comment=said)


def read_bodies(connection: sa.Connection) -> None:
    """Fill the columns of every signal from what its list said."""
    signal = sa.table(
        "casework_signal", sa.column("run_id", sa.String), sa.column("household_id", sa.String),
        sa.column("rank", sa.Integer), *(sa.column(name, sa.String) for name in WORDS), sa.column("body", sa.JSON),
    )  # fmt: skip
    known = sa.select(signal.c.run_id, signal.c.household_id, signal.c.body)
    for run_id, household_id, body in connection.execute(known).fetchall():
        reasons, rank = body.get("reasons") or (), body.get("rank")
        here = sa.and_(signal.c.run_id == run_id, signal.c.household_id == household_id)
        said = {
            "rank": UNRANKED if rank is None else int(rank), "level": str(body.get("level") or ""),
            "change": str(body.get("change") or ""), "family": str(reasons[0]["family"]) if reasons else "",
        }  # fmt: skip
        connection.execute(signal.update().where(here).values(**said))
