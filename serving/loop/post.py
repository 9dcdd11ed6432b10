"""The departments' post: rows wait until their department knows them, then arrive as an ordinary delivery."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.ingestion import ingest
from features.project import Project
from features.province.habits import HABITS, at_once
from features.settings import Settings


@dataclass
class Post:
    """What was written and is not yet known.

    Attributes:
        prompt: departments know on the day, as in `simulate(prompt=True)`: no reporting lag.
        rows: accepted by the store so far.
    """

    folder: Path
    project: Project
    settings: Settings
    prompt: bool = False
    rows: int = 0
    _waiting: dict[str, list[pa.Table]] = field(default_factory=dict)

    def add(self, feed: str, rows: pa.Table) -> None:
        """Rows that a department wrote."""
        if self.prompt:
            rows = at_once(rows, HABITS[feed])
        if rows.num_rows:
            self._waiting.setdefault(feed, []).append(rows)

    def send(self, day: date) -> None:
        """Deliver, through the product's own door, what departments know by the day."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for feed in HABITS:
            if feed not in self._waiting:
                continue
            rows = pa.concat_tables(self._waiting.pop(feed), promote_options="permissive")
            known = pc.less_equal(rows[HABITS[feed].known], pa.scalar(day, pa.date32()))
            later = rows.filter(pc.invert(known))
            if later.num_rows:
                self._waiting[feed] = [later]
            rows = rows.filter(known)
            if rows.num_rows:
                self._deliver(feed, rows, day)

    def _deliver(self, feed: str, rows: pa.Table, day: date) -> None:
        path = self.folder / f"{feed}-{day}.parquet"
        pq.write_table(rows, path, compression="zstd", compression_level=1)
        receipt = ingest(path, self.project, self.settings, feed=feed, received_on=day)
        self.rows += receipt.accepted
        path.unlink()
