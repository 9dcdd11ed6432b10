"""Events of cases on their way out: from the transaction that made them into the outbox of all events.

The outbox has a database of its own, so that an event is written with its decision here first, and carried over after:
under the same id however often a crash makes us carry it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update

from serving.casework.desk import Desk
from serving.casework.tables import OutgoingRow
from serving.outbox import Outbox, Receiver

AT_ONCE = 500


def carry(desk: Desk, outbox: Outbox, to: Sequence[Receiver]) -> int:
    """Carry everything that waits; returns how much. Without receivers it is marked as carried and goes nowhere."""
    carried = 0
    while True:
        query = select(OutgoingRow).where(OutgoingRow.carried_at.is_(None)).order_by(OutgoingRow.made_at).limit(AT_ONCE)
        with desk.database.reading() as session:
            rows = list(session.scalars(query))
        if not rows:
            return carried
        if to:
            outbox.put([(row.event_id, row.area_code, row.body) for row in rows], to)
        with desk.database.writing() as session:
            ids = [row.event_id for row in rows]
            done = update(OutgoingRow).where(OutgoingRow.event_id.in_(ids)).values(carried_at=desk.now())
            session.execute(done)
        carried += len(rows)
