"""What the experiment looks at: one simulated province, as departments told of it and as it truly was.

The truth is opened here for judging and for the bound alone; what was told goes through the same door, store and panel
as any delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from features import panel
from features.calendar import period_end
from features.engines.duckdb import engine
from features.identity import open_pseudonymiser
from features.ingestion import ingest
from features.project import Project, load_project
from features.province.deliveries import DELIVERED_ON, LAST_MONTH, feed_of, source_of
from features.province.oracle import oracle
from features.province.simulation import Simulated, simulate
from features.province.state import FORMAL, INFORMAL, UNEMPLOYED, State
from features.province.values import Values
from features.settings import Home, Settings
from features.store import Store

ORACLE_STREAM = 2
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Truth:
    """The world as it was.

    Attributes:
        onset: households × months.
        hardship: households × months, at the month's end.
        region: index of each household's region.
        chances: by months ahead and month, the oracle's chance of each household; NaN for those in hardship.
        hidden: by month, what the next month follows from, households × `HIDDEN`.
        first: index of the first month.
    """

    onset: np.ndarray
    hardship: np.ndarray
    region: np.ndarray
    chances: Mapping[int, Mapping[int, np.ndarray]]
    hidden: Mapping[int, np.ndarray]
    first: int

    def label(self, month: int, ahead: int) -> np.ndarray:
        """Whether each household has an onset in the `ahead` months after the month."""
        at = month - self.first + 1
        return np.asarray(self.onset[:, at : at + ahead].any(axis=1))

    def clear(self, month: int) -> np.ndarray:
        """Who is not in hardship at the month's end."""
        found: np.ndarray = ~self.hardship[:, month - self.first]
        return found


@dataclass(frozen=True)
class Told:
    """What was known: by month, a row of indicators for each household in order; the area is empty where it is gone."""

    project: Project
    frames: Mapping[int, pd.DataFrame]


def first_sunday_after(month: int) -> date:
    """The as-of day of a month: the first Sunday on or after its last day."""
    day = period_end("month", month)
    return day + timedelta(days=(6 - day.weekday()) % 7)


def tell(
    folder: Path, months: Sequence[int], *, households: int, length: int, seed: int, prompt: bool, settings: Settings,
    progress: Progress,
) -> tuple[Simulated, Told]:  # fmt: skip
    """Simulate a province, take its files in, and build the panel of the months' days."""
    made = simulate(
        folder / "simulated", households=households, months=length, seed=seed, prompt=prompt, data=settings.data,
        progress=progress,
    )  # fmt: skip
    own = replace(settings, home=folder / "home")
    project = load_project(made.project)
    for number, file in enumerate(made.files):
        progress("入库 ingest", number, len(made.files))
        ingest(source_of(file), project, own, feed=feed_of(file), received_on=DELIVERED_ON)
    home = Home(own.home)
    pseudonymiser = open_pseudonymiser(own, home)
    codes = [f"HJ{serial:08d}" for serial in range(households)]
    order = pd.Index([pseudonymiser.one("household_number", code) for code in codes])
    days = {month: first_sunday_after(month) for month in months}
    with engine(own, home) as opened:
        built = panel.build(project, Store(home, project), sorted(days.values()), engine=opened, progress=progress)
        frames = {}
        for month, day in days.items():
            frame = built.read([day], ["household_id", "area_code", *built.indicators]).set_index("household_id")
            values = frame[built.indicators].astype("float32").reindex(order)
            frames[month] = values.assign(area_code=frame["area_code"].reindex(order))
    return made, Told(project, frames)


def live_through(
    made: Simulated, months: Sequence[int], judged: Mapping[int, Sequence[int]], *, paths: int, progress: Progress
) -> Truth:
    """The province once more, with its truth written down.

    The hidden state of `months` is kept; the oracle is asked at the months of `judged`, by months ahead, and lives so
    many `paths` of the future.
    """
    province = made.province
    shape = (province.households, province.months)
    onset, hardship = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    region = np.zeros(province.households, dtype=np.int64)
    chances = {ahead: {m: np.full(province.households, np.nan) for m in asked} for ahead, asked in judged.items()}
    hidden = {month: np.zeros((province.households, len(HIDDEN)), dtype=np.float32) for month in months}
    course = province.course()
    for number in range(province.blocks):
        progress("先知 oracle", number, province.blocks)
        block = province.block(number, course)
        rows, region[block.state.serial] = block.state.serial, block.state.region
        for month in block.months(province.first, province.last):
            at = month.index - province.first
            onset[rows, at], hardship[rows, at] = month.onset, month.hardship
            if month.index in hidden:
                hidden[month.index][rows] = hidden_state(block.state, province.values, course.line(month.index))
            for ahead, asked in chances.items():
                if month.index in asked:
                    rng = np.random.default_rng([province.seed, number, month.index, ahead, ORACLE_STREAM])
                    found = oracle(block.state, course, month.index, months=ahead, paths=paths, rng=rng)
                    asked[month.index][rows[found.households]] = found.probability
    return Truth(onset, hardship, region, chances, hidden, province.first)


HIDDEN = (
    "savings", "kin", "remittance", "frailty", "ability", "persistent", "flow", "latest_flow", "rigid", "latest_rigid",
    "need", "paid", "assisted", "onset_count", "clear_count", "serious", "farm_damaged", "benefit", "size", "elders",
    "children", "formal", "informal", "unemployed", "searching", "migrant", "farms", "urban", "education",
)  # fmt: skip


def hidden_state(state: State, values: Values, line: float) -> np.ndarray:
    """What the next month follows from, as numbers a model can learn from; money as multiples of need."""
    need = np.maximum(state.need(values, line), 1.0)
    columns = (
        state.savings / need, state.kin, state.remittance / need, state.frailty, state.ability, state.persistent,
        state.flows.mean(axis=1) / need, state.flows[:, -1] / need, state.costs.mean(axis=1) / need,
        state.costs[:, -1] / need, need, state.paid / need, state.assisted, state.onset_count, state.clear_count,
        state.serious >= 0, state.farm_damaged, state.benefit, state.size, state.elders, state.children,
        (state.job == FORMAL).sum(axis=1), (state.job == INFORMAL).sum(axis=1), (state.job == UNEMPLOYED).sum(axis=1),
        state.searching.max(axis=1), state.migrant, state.farms, state.urban, state.education,
    )  # fmt: skip
    return np.column_stack([np.asarray(column, dtype=np.float32) for column in columns])


def last_month() -> int:
    """Index of the last month of every simulated province."""
    return LAST_MONTH
