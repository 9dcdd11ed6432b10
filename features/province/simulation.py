"""From the hidden world to departments' files: what `zhouji simulate` and the demo write.

    world, block by block ──► what departments notice ──► their files, in two deliveries each

Beside the files stand the project file and the area file, so that the folder is a deployment that can be taken in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from features.calendar import period_end
from features.province import deliveries
from features.province.deliveries import LAST_MONTH, Deliveries, received_on
from features.province.departments.work import employer_numbers
from features.province.faults import Faults
from features.province.geography import Geography, read_geography
from features.province.habits import HABITS, at_once
from features.province.observation import Observer
from features.province.standards import write_standards
from features.province.truth import Truth
from features.province.values import values
from features.province.world import Province

PROJECT = Path(__file__).with_name("project.yaml")
BUCKET_HOUSEHOLDS, MOST_BUCKETS = 5_000, 96
HISTORY_MONTHS = 2
"""The last months come in a second delivery."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Simulated:
    """What was written.

    Attributes:
        project: the project file of the deployment.
        files: deliveries in the order of their arrival.
    """

    project: Path
    files: list[Path]
    province: Province
    geography: Geography


def simulate(
    folder: Path,
    *,
    households: int,
    months: int,
    seed: int = 7,
    scenario: str = "S0",
    data: Path | None = None,
    last: int = LAST_MONTH,
    prompt: bool = False,
    truth: Path | None = None,
    progress: Progress | None = None,
) -> Simulated:
    """Write the deliveries of a simulated province, its project file and its area file.

    Args:
        folder: where `project.yaml`, `areas.csv` and `deliveries/` are written.
        households: how many there are.
        months: how many months departments report on.
        seed: the same gives the same bytes.
        scenario: a name of `values.yaml`.
        data: a folder that may hold the real towns.
        last: index of the last month; the last files arrive on the Sunday after the first week of the next.
        prompt: every department knows at once what it would else have known later. World and facts are the same; what
            differs between the two is what reporting lag costs.
        truth: a folder for what no department knows (`truth.py`); none is written by default.
        progress: told about each block.
    """
    geography = read_geography(data)
    province = Province(values(), geography, households, last - months + 1, months, seed, scenario)
    hidden = Truth(truth, folder / "deliveries") if truth is not None else None
    folder.mkdir(parents=True, exist_ok=True)
    geography.write(folder / "areas.csv")
    _write_project(folder / PROJECT.name, households)
    known_by = received_on(last)
    cut = period_end("month", last - HISTORY_MONTHS)
    out = Deliveries(folder / "deliveries", HABITS, cut, known_by, households)
    faults = Faults(province, prompt=prompt)
    write_standards(province, geography, out.add)
    course = province.course()
    employed = None
    report = progress or (lambda *_: None)
    for number in range(province.blocks):
        report("simulate", number, province.blocks)
        gathered = Gathered(out, faults, number)
        observer = Observer(province, province.block(number, course), gathered, faults)
        observer.opening()
        if hidden is not None:
            hidden.opening(observer.desk)
        for month in observer.block.months(province.first, province.last):
            observer.month(month)
            if hidden is not None:
                hidden.month(observer.desk, month)
        gathered.flush()
        employed = observer.employed if employed is None else employed + observer.employed
    report("simulate", province.blocks, province.blocks)
    if hidden is not None:
        hidden.close()
    if employed is not None:
        _employers(province, employed, out, prompt=prompt)
    return Simulated(folder / PROJECT.name, out.close(), province, geography)


def _write_project(path: Path, households: int) -> None:
    """The project file, with as many buckets as the province asks for: memory is bounded by one.

    A large province sends Parquet alone, and its feeds say so.
    """
    buckets = min(max(2, -(-households // BUCKET_HOUSEHOLDS)), MOST_BUCKETS)
    text = PROJECT.read_text(encoding="utf-8")
    if households > deliveries.PARQUET_FROM:
        text = re.sub(r"source: \{format: [^}]*\}", "source: {format: parquet}", text)
    path.write_text(text.replace("buckets: 4", f"buckets: {buckets}", 1), encoding="utf-8")


class Gathered:
    """Holds a block's tables of each feed, so that a file grows by a block at once."""

    def __init__(self, out: Deliveries, faults: Faults, block: int) -> None:
        self.out, self.faults, self.block = out, faults, block
        self.tables: dict[str, list[pa.Table]] = {}

    def __call__(self, feed: str, rows: pa.Table) -> None:
        """Hold some rows of a feed."""
        self.tables.setdefault(feed, []).append(rows)

    def flush(self) -> None:
        """Write what is held."""
        for feed, tables in self.tables.items():
            rows = told(feed, pa.concat_tables(tables, promote_options="permissive"), prompt=self.faults.prompt)
            self.out.add(feed, self.faults.sent(feed, rows, HABITS[feed], self.block))
        self.tables = {}


def told(feed: str, rows: pa.Table, *, prompt: bool) -> pa.Table:
    """Rows with the day on which their department knows; a prompt one knows at once."""
    return at_once(rows, HABITS[feed]) if prompt else rows


def _employers(province: Province, employed: np.ndarray, out: Deliveries, *, prompt: bool) -> None:
    """How many each employer insured, and how many left it, month by month."""
    for at in range(province.months):
        index = province.first + at
        there = np.flatnonzero(employed[at, 0] + employed[at, 1])
        end = period_end("month", index)
        rows = pa.table(
            {
                "单位编号": employer_numbers(there),
                "月份": [f"{index // 12}-{index % 12 + 1:02d}"] * len(there),
                "参保人数": employed[at, 0, there],
                "减员人数": employed[at, 1, there],
                "上报日期": pa.array([end + timedelta(days=15)] * len(there), pa.date32()),
            }
        )
        out.add("employers", told("employers", rows, prompt=prompt))
