"""Departments' deliveries as files: containers, encodings, repeats, corrections and mistakes of each feed."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.province.deliveries import write_workbook

Row = dict[str, Any]


@dataclass(frozen=True)
class Delivery:
    """How one feed's files are made.

    `known` is the column that says when the department knew; `mistakes` are columns set to values that validation
    must refuse; `corrected` is the amount that a few rows correct in the last file.
    """

    known: str
    container: str
    files: int = 1
    repeats: int = 0
    corrected: str | None = None
    mistakes: tuple[Row, ...] = ()


DELIVERIES = {
    "lines": Delivery("公布日期", "utf-8"),
    "households": Delivery("登记日期", "utf-8", mistakes=({"户编号": "HJ441899001999999", "行政区划": "441899001"},)),
    "members": Delivery("更新日期", "utf-8-sig", files=2, repeats=5, mistakes=({"身份证号": None},)),
    "medical": Delivery(
        "入库日期",
        "gb18030",
        files=2,
        repeats=20,
        corrected="个人自付",
        mistakes=(
            {"结算单号": "YB99999991", "个人自付": -120.5},
            {"结算单号": "YB99999992", "就诊日期": "2026-02-30"},
            {"结算单号": "YB99999993", "身份证号": None},
        ),
    ),
    "insurance": Delivery(
        "上报日期", "parquet", files=2, repeats=20, mistakes=({"缴费月份": "202613"}, {"缴费基数_分": -100})
    ),
    "power": Delivery(
        "上报日期",
        "utf-8",
        files=2,
        repeats=20,
        corrected="电量_千瓦时",
        mistakes=({"用电年月": "2026年13月"}, {"用电年月": "2020年01月", "电量_千瓦时": -8.0}),
    ),
    "events": Delivery(
        "登记日期",
        "gb18030",
        mistakes=({"事项编号": "SX9999991", "事项": "其他"}, {"事项编号": "SX9999992", "发生日期": "2026-02-30"}),
    ),
    "declarations": Delivery("核对日期", "xlsx", mistakes=({"授权书编号": "SQ9999991", "家庭月收入_元": "约三千"},)),
    "admissions": Delivery("经办日期", "utf-8"),
    "visits": Delivery(
        "录入日期",
        "utf-8-sig",
        mistakes=({"走访编号": "ZF9999991", "核实结论": "V12"}, {"走访编号": "ZF9999992", "户编号": ""}),
    ),
}


def write_deliveries(
    folder: Path, rows: dict[str, list[Row]], delivered_on: date, rng: np.random.Generator
) -> list[Path]:
    """Write what was known by `delivered_on`, each feed in its own way; paths in the order of their arrival."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[tuple[int, Path]] = []
    for feed, delivery in DELIVERIES.items():
        known = sorted(
            (row for row in rows.get(feed, []) if row[delivery.known] <= delivered_on),
            key=lambda row, column=delivery.known: row[column],  # type: ignore[misc]
        )
        for number, part in enumerate(_parts(known, delivery, delivered_on, rng), start=1):
            suffix = "csv" if delivery.container.startswith(("utf", "gb")) else delivery.container
            path = folder / f"{feed}-{number}.{suffix}"
            WRITERS.get(delivery.container, _write_csv)(path, part, delivery)
            paths.append((number, path))
    return [path for _, path in sorted(paths, key=lambda pair: pair[0])]


def _parts(rows: list[Row], delivery: Delivery, delivered_on: date, rng: np.random.Generator) -> list[list[Row]]:
    """The feed's rows cut into files by time; the last one also repeats, corrects and errs."""
    cut = len(rows) * 2 // 3 if delivery.files == 2 else 0
    first, last = rows[:cut], list(rows[cut:])
    earlier = first or last
    last += [earlier[number] for number in rng.integers(0, len(earlier), min(delivery.repeats, len(earlier)))]
    if delivery.corrected and first:
        for number in rng.integers(0, len(first), min(10, len(first))):
            wrong = first[number]
            right = {delivery.corrected: round(wrong[delivery.corrected] * 1.1 + 1, 1), delivery.known: delivered_on}
            last.append({**wrong, **right})
    for number, mistake in enumerate(delivery.mistakes):
        last.append({**last[number], **mistake})
    return [first, last] if first else [last]


def _text(value: Any) -> Any:
    return "" if value is None else value.isoformat() if isinstance(value, date) else value


def _write_csv(path: Path, rows: list[Row], delivery: Delivery) -> None:
    with path.open("w", encoding=delivery.container, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0])
        writer.writerows([_text(value) for value in row.values()] for row in rows)


def _write_parquet(path: Path, rows: list[Row], delivery: Delivery) -> None:
    del delivery
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")


def _write_xlsx(path: Path, rows: list[Row], delivery: Delivery) -> None:
    del delivery
    write_workbook(path, "核对结果", rows)


WRITERS: dict[str, Callable[[Path, list[Row], Delivery], None]] = {"parquet": _write_parquet, "xlsx": _write_xlsx}
