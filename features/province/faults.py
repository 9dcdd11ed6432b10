"""What goes wrong between a department and the file it sends: outages, wrong units, repeated and unreadable rows.

Which county's office fails in which month is drawn once for the province, so that it depends neither on the number of
blocks nor on their order; which rows are repeated or unreadable is drawn from the block's own numbers.
"""

from __future__ import annotations

import zlib
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.province.habits import Habit
from features.province.roll import first_day
from features.province.state import Flags, Integers
from features.province.world import Province

MONTHS_AROUND = 12
"""Months before the first and after the last in which something may be known."""

SPREAD = 5
"""Counties send what an outage held back on days of their own, so many in a row."""


class Faults:
    """Failures of the province's offices.

    Attributes:
        prompt: nothing is late: what an office corrected later was right at once.
    """

    def __init__(self, province: Province, *, prompt: bool = False) -> None:
        self.values = province.values.faults
        self.seed, self.prompt = province.seed, prompt
        self.start = province.first - MONTHS_AROUND
        self.shape = (province.months + 2 * MONTHS_AROUND, len(province.geography.counties))
        self.outages = {
            feed: self._drawn(f"outage {feed}") < share for feed, share in self.values.outages.shares.items()
        }
        self.units = {feed: self._drawn(f"unit {feed}") for feed in self.values.units.shares}

    def _drawn(self, name: str) -> np.ndarray:
        return self._generator(name).random(self.shape)

    def _generator(self, name: str, *more: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(name.encode()), *more])

    def received(self, feed: str, known: np.ndarray, county: Integers) -> np.ndarray:
        """Days on which rows were known: what fell into an outage of the county came when it had ended."""
        if self.prompt or feed not in self.outages or not len(known):
            return known
        out, late = self.outages[feed], known.astype("datetime64[D]")
        for _ in range(self.values.outages.longest):
            month = late.astype("datetime64[M]").astype(np.int64) + 1970 * 12
            at = np.clip(month - self.start, 0, self.shape[0] - 1)
            after = first_day(month + 1) + self.values.outages.days_after + county % SPREAD
            late = np.where(out[at, county], after, late)
        return late

    def wrong_units(self, feed: str, index: int, county: Integers) -> tuple[Flags, Flags]:
        """Whose office gave another unit in the month, and where this was corrected later."""
        drawn = self.units[feed][index - self.start][county]
        share = self.values.units.shares[feed]
        return drawn < share, drawn < share * self.values.units.corrected

    def sent(self, feed: str, rows: pa.Table, habit: Habit, block: int) -> pa.Table:
        """A block's rows as they are sent: in the codes of the day, some twice, and some that cannot be read."""
        rng = self._generator(f"rows {feed}", block)
        rows = self.coded(feed, rows, habit)
        if feed in self.values.repeats.feeds:
            again = np.flatnonzero(rng.random(rows.num_rows) < self.values.repeats.share)
            rows = pa.concat_tables([rows, rows.take(pa.array(again))])
        for column, text in self.values.unreadable.columns.get(feed, {}).items():
            hit = pa.array(rng.random(rows.num_rows) < self.values.unreadable.share)
            kept = rows[column].cast(pa.string()) if pa.types.is_date(rows[column].type) else rows[column]
            rows = _with(rows, column, pc.if_else(hit, pa.scalar(text, pa.string()).cast(kept.type), kept))
        return rows

    def coded(self, feed: str, rows: pa.Table, habit: Habit) -> pa.Table:
        """Rows in the list of codes that was in force when each was entered."""
        change = self.values.new_codes
        if feed != change.feed:
            return rows
        column = rows[change.column]
        old = pa.array(list(change.codes), pa.string())
        new = pa.array(list(change.codes.values()), pa.string()).take(pc.index_in(column, old))
        later = pc.greater_equal(rows[habit.known], pa.scalar(date.fromisoformat(change.since), pa.date32()))
        return _with(rows, change.column, pc.if_else(later, new, column))


def _with(rows: pa.Table, column: str, values: pa.ChunkedArray) -> pa.Table:
    return rows.set_column(rows.column_names.index(column), column, values)
