"""What all departments of a block share: its households and their numbers, the dice, and the way rows are written."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from features.province.faults import Faults
from features.province.faults_values import Provisional
from features.province.habits import HABITS
from features.province.roll import Roll, first_day, known_on, month_days
from features.province.state import Flags, Integers
from features.province.world import Block, Province

NUMBERS_PER_HOUSEHOLD = 1_000
"""Running numbers kept for the documents of one kind of one household, so that those of blocks never meet."""
NEVER = np.datetime64("NaT", "D")
"""A version that a prompt department never sends: it knows better at once."""
Add = Callable[[str, pa.Table], None]
Tell = Callable[[Integers, np.ndarray], None]
"""Told whose data were found wrong, and when."""


class Desk:
    """One block, as departments know it.

    Attributes:
        n: number of households.
        roll: their numbers and members.
        onset_month: month of each household's newest onset; -1 where there was none.
    """

    def __init__(self, province: Province, block: Block, add: Add, faults: Faults) -> None:
        self.faults = faults
        self.province, self.block, self.state = province, block, block.state
        self.geography = province.geography
        self.values = province.values.observation
        self.rng = np.random.default_rng([province.seed, block.number, 1])
        self.n = len(self.state)
        self.roll = Roll(block, province.geography, province.first, self.values.lags, self.rng)
        self.onset_month = np.full(self.n, -1)
        self.add = add
        self._serials: dict[str, int] = {}

    def dice(self, name: str) -> np.random.Generator:
        """A department's own random numbers: what it draws changes nothing of what others notice."""
        return np.random.default_rng([self.province.seed, self.block.number, zlib.crc32(name.encode())])

    def numbers(self, prefix: str, size: int) -> pa.Array:
        """Running document numbers of a kind: no other kind moves them."""
        start = self._serials.get(prefix, int(self.state.serial[0]) * NUMBERS_PER_HOUSEHOLD)
        self._serials[prefix] = start + size
        return pa.array([f"{prefix}{number:011d}" for number in range(start, start + size)])

    def day(self, index: int, size: int) -> np.ndarray:
        """Days of a month, by chance."""
        found: np.ndarray = first_day(index) + self.rng.integers(0, month_days(index), size)
        return found

    def known(self, feed: str, day: np.ndarray) -> np.ndarray:
        """Days on which the department knows of what happened, by the feed's habit."""
        return known_on(self.rng, self.values.lags[feed], day)

    def chance(self, flags: Flags, share: float) -> Integers:
        """Some of the households, by chance."""
        return np.flatnonzero(flags & (self.rng.random(self.n) < share))

    def put(self, feed: str, columns: Mapping[str, Any], rows: Integers | None = None) -> None:
        """Write rows of a feed; where `rows` says whose they are, an outage of their county may hold them back."""
        if rows is not None:
            known = HABITS[feed].known
            columns = {**columns, known: self.faults.received(feed, columns[known], self.state.county[rows])}
        arrays = {
            name: column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
            for name, column in columns.items()
        }
        table = pa.table(
            {name: a.cast(pa.date32()) if pa.types.is_timestamp(a.type) else a for name, a in arrays.items()}
        )
        if table.num_rows:
            self.add(feed, table)

    def put_provisional(
        self, feed: str, columns: Mapping[str, Any], first: Mapping[str, Any], rows: Integers, early: Flags,
        values: Provisional, rng: np.random.Generator,
    ) -> None:  # fmt: skip
        """Write rows, the `early` ones with what was known at first, and months later as they are."""
        known = HABITS[feed].known
        later = 30 * rng.integers(values.months[0], values.months[1] + 1, len(rows)) + rng.integers(0, 25, len(rows))
        if early.any():
            day = columns[known]
            told = np.full(len(rows), NEVER) if self.faults.prompt else day
            self.put(feed, chosen({**columns, **first, known: told}, early), rows[early])
            settled = day if self.faults.prompt else self.faults.received(feed, day, self.state.county[rows]) + later
            columns = {**columns, known: np.where(early, settled, day)}
        self.put(feed, columns, rows)

    def mistaken(
        self, feed: str, columns: dict[str, Any], money: Sequence[str], rows: Integers, index: int, tell: Tell
    ) -> tuple[dict[str, Any], Flags]:
        """Rows as offices send them that take yuan for fen, and which these are; what they corrected is written."""
        v = self.faults.values.units
        wrong, corrected = self.faults.wrong_units(feed, index, self.state.county[rows])
        if not wrong.any():
            return columns, wrong
        if corrected.any():
            known = HABITS[feed].known
            day = columns[known]
            found = self.faults.received(feed, day, self.state.county[rows]) + v.after_days
            self.put(feed, chosen({**columns, known: day if self.faults.prompt else found}, corrected), rows[corrected])
            tell(rows[corrected], found[corrected])
            columns = {**columns, known: np.where(corrected & self.faults.prompt, NEVER, day)}
        return {**columns, **{name: np.where(wrong, columns[name] * v.factor, columns[name]) for name in money}}, wrong

    def event(self, feed: str, prefix: str, number: str, kind: tuple[str, str], rows: Integers,
              dates: tuple[str, str], **more: Any) -> None:  # fmt: skip
        """Write numbered, dated entries about households: number, kind, household, what more, day, day of knowledge."""
        day = self.roll.day[rows]
        self.put(
            feed,
            {
                number: self.numbers(prefix, len(rows)),
                **({kind[0]: np.full(len(rows), kind[1])} if kind[0] else {}),
                "户号": self.roll.household(rows),
                **more,
                dates[0]: day,
                dates[1]: self.known(feed, day),
            },
        )

    def silent(self, counties: Sequence[str]) -> Flags:
        """Households of the counties that do not send a feed."""
        places = [number for number, county in enumerate(self.geography.counties) if county.code in counties]
        found: Flags = np.isin(self.state.county, places)
        return found

    def out(self, feed: str, index: int) -> Flags:
        """Households of the region whose feed the scenario's outage keeps away in the month."""
        outage = self.block.course.scenario.outage
        if outage is None or outage.feed != feed or index <= self.province.last - outage.months:
            return np.zeros(self.n, dtype=bool)
        found: Flags = self.state.region == outage.region
        return found


def chosen(columns: Mapping[str, Any], flags: Flags) -> dict[str, Any]:
    """Some rows of columns."""
    mask = pa.array(flags)
    return {
        name: column.filter(mask) if isinstance(column, pa.Array | pa.ChunkedArray) else column[flags]
        for name, column in columns.items()
    }


def period(index: int, size: int) -> pa.Array:
    """A month's name, for so many rows."""
    return pa.array([f"{index // 12}-{index % 12 + 1:02d}"] * size, pa.string())


def quarter(index: int, size: int) -> pa.Array:
    """The name of a month's quarter, for so many rows."""
    return pa.array([f"{index // 12}-Q{index % 12 // 3 + 1}"] * size, pa.string())


def closes_quarter(index: int) -> bool:
    """Whether a quarter ends with the month."""
    return index % 3 == 2


def drawn(shares: dict[str, float], uniform: np.ndarray) -> np.ndarray:
    """Codes by their shares."""
    return np.array(list(shares))[np.searchsorted(np.cumsum(list(shares.values()))[:-1], uniform, side="right")]
