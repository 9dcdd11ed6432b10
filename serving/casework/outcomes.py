"""First records on their way back to the store, as an ordinary delivery, and counted for the list that flagged.

The label of a round goes out once, with the probability that its household had of being on the list, so that learning
can weigh what chance and risk brought together. Amendments and second opinions stay here. The registry's weekly run
gets the counts (confirmed, not confirmed, excluded, unknown; by level and reason) by the same door as filled lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import select, update

from features.engines.duckdb import Engine
from features.errors import NothingToDo
from features.settings import Settings
from features.store import Store
from models.registry import Registry
from serving.casework.actor import clock
from serving.casework.desk import Desk
from serving.casework.tables import FindingRow, SealedRow
from serving.filled import FilledRow
from serving.results import deliver, numbers_of, outcome_feed, record_results


@dataclass(frozen=True)
class Sent:
    """What went to the store.

    Attributes:
        waiting: findings of households whose number the vault does not know; they stay here.
        deliveries: receipts.
        counts: by run, as the registry has them now.
    """

    findings: int
    waiting: int
    deliveries: tuple[Mapping[str, Any], ...] = ()
    counts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "findings": self.findings, "waiting": self.waiting, "deliveries": [dict(one) for one in self.deliveries],
            "counts": {run: dict(counts) for run, counts in self.counts.items()},
        }  # fmt: skip


def send(
    desk: Desk, settings: Settings, store: Store, registry: Registry, engine: Engine, task: str, today: date,
    *, dry_run: bool = False,
) -> Sent:  # fmt: skip
    """Deliver every first record that has not been delivered, and count for the runs.

    A crash between delivery and our note delivers once more; the store knows the rows already.

    Raises:
        NothingToDo: nothing waits, or the project has no feed for findings.
    """
    feed = outcome_feed(desk.project)
    with desk.database.reading() as session:
        query = select(FindingRow).where(FindingRow.delivered_at.is_(None)).order_by(FindingRow.finding_id)
        rows = list(session.scalars(query))
        sealed = {
            (row.run_id, row.household_id): row.selection_probability
            for row in session.scalars(select(SealedRow).where(SealedRow.run_id.in_({row.run_id for row in rows})))
        }
    if feed is None or not rows:
        raise NothingToDo("findings_none")
    sent = waiting = 0
    deliveries: list[Mapping[str, Any]] = []
    for label, part in _parts(rows).items():
        filled = [_filled(line, row) for line, row in enumerate(part, 1)]
        numbers = numbers_of(desk.project, feed, filled, settings)
        known = [one for one in filled if one.household_id in numbers]
        waiting += len(filled) - len(known)
        if not known:
            continue
        probabilities = {
            row.household_id: sealed[row.run_id, row.household_id]
            for row in part
            if (row.run_id, row.household_id) in sealed
        }
        try:
            receipt = deliver(
                known, numbers, probabilities, feed, desk.project, settings, run_id=label, today=today, dry_run=dry_run
            )
            deliveries.append(receipt)
            delivery = str(receipt.get("delivery_id") or "")
        except NothingToDo:
            delivery = ""
        sent += len(known)
        if not dry_run:
            _delivered(desk, [row for row in part if row.household_id in numbers], delivery)
    if dry_run:
        return Sent(sent, waiting, tuple(deliveries))
    counts = record_results(desk.project, task, store, registry, engine=engine, day=today)
    return Sent(sent, waiting, tuple(deliveries), counts)


def _parts(rows: Sequence[FindingRow]) -> dict[str, list[FindingRow]]:
    """Findings by list and round: a household stands once in a part, and each round is a visit of its own."""
    found: dict[str, list[FindingRow]] = {}
    for row in rows:
        round_ = row.finding_id.rpartition("-")[2]
        label = row.run_id or f"case-{row.case_id}"
        found.setdefault(label if round_ == "1" else f"{label}-{round_}", []).append(row)
    return found


def _filled(line: int, row: FindingRow) -> FilledRow:
    onset = row.body["onset"]
    causes = row.body["causes"]
    return FilledRow(
        line=line, household_id=row.household_id, found_on=row.found_on, method=str(row.body["method"]),
        validity=str(row.body["validity"]), onset=date.fromisoformat(onset) if onset else None,
        cause=causes[0] if causes else None, department=None, remark="",
    )  # fmt: skip


def _delivered(desk: Desk, rows: Sequence[FindingRow], delivery: str) -> None:
    with desk.writing(clock()) as (session, told):
        ids = [row.finding_id for row in rows]
        values = {"delivered_at": desk.now(), "delivery_id": delivery}
        session.execute(update(FindingRow).where(FindingRow.finding_id.in_(ids)).values(**values))
        told.append(("delivery", delivery or "known", {"findings": len(ids)}))
