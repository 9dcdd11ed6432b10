"""A published run on disk whose households have cases: what lists are downloaded from and imported against."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl import load_workbook

from features.settings import Home
from serving.runs import RunFolder
from serving.web.office import Office
from tests.casework.desks import OTHER_VILLAGE, household
from tests.casework.made import TOWN_AREA, VILLAGE_AREA
from tests.web.shown import LEVELS, Rich

RUN = "0123456789ab"
VISIT = {
    "finding_date": "2026-03-02", "method": "入户", "met": "户主", "minutes": 40, "validity": "V1 确有困难",
    "cause": "C1 疾病", "depth": "2", "evidence": "票据、账单", "disposition": "D3 转办相关部门", "need": "N04",
}  # fmt: skip


def publish(office: Office, count: int = 9) -> RunFolder:
    """A run with its cases; the last household lies in another town."""
    from serving.casework.alerts import open_week

    task = office.project.task()[0]
    rows = {
        household(n): (OTHER_VILLAGE if n == count - 1 else VILLAGE_AREA, "audit" if n % 9 == 4 else "risk", LEVELS[n % 3])
        for n in range(count)
    }  # fmt: skip
    made = Rich(run_id=RUN, rows=rows)
    path = Home(office.settings.home).project(office.project.name).runs / f"{made.as_of}-{task}-{RUN}"
    path.mkdir(parents=True)
    households = [{**row, "row_code": f"{n:024x}"} for n, row in enumerate(made.households(), 1)]
    _write(
        path / "list.json", run_id=RUN, version="7", bundle="b" * 64, as_of=str(made.as_of), period="2026-W09", task=task,
        stale=False, trial=False, households=households,
    )  # fmt: skip
    area = {"area": TOWN_AREA, "capacity": 9, "listed": count, "left_out": {}}
    _write(path / "run.json", store_version=1, feeds={}, areas=[area], area=None, as_of=str(made.as_of), version="7")
    entries = [{**asdict(entry), "opened_on": str(entry.opened_on)} for entry in made.entries()]
    _write(path / "sealed.json", entries=entries, episodes=[], left=[])
    pd.DataFrame(
        {
            "household_id": sorted(rows), "area_code": VILLAGE_AREA, "level": "red", "probability": 0.3, "low": 0.25,
            "high": 0.39,
        }
    ).to_parquet(path / "scores.parquet")  # fmt: skip
    (path / "PUBLISHED").write_text(RUN)
    run = RunFolder(path)
    open_week(office.desk, run)
    return run


def _write(path: Path, **content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def columns(content: bytes) -> list[str]:
    """Machine keys of a list's columns."""
    return [str(cell.value) for cell in load_workbook(io.BytesIO(content)).worksheets[0][3]]


def answered(content: bytes, answers: dict[int, dict[str, Any]]) -> bytes:
    """A list with households filled in, by number, and verdicts where they are asked for; -1 is the row of keys."""
    book = load_workbook(io.BytesIO(content))
    sheet = book.worksheets[0]
    keys = ["row_code", *[str(cell.value) for cell in sheet[3]][1:]]
    rows = {str(row[keys.index("household")].value): row for row in sheet.iter_rows(min_row=5)}
    for number, cells in answers.items():
        row = sheet[3] if number < 0 else rows[household(number)]
        for key, cell in zip(keys, row, strict=True):
            if number >= 0 and key.startswith("verdict_") and cell.value != "—":
                cell.value = "属实"
            if key in cells:
                cell.value = cells[key]
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def line_of(content: bytes, number: int) -> int:
    """A household's row in the file."""
    sheet = load_workbook(io.BytesIO(content)).worksheets[0]
    return next(row[0].row for row in sheet.iter_rows(min_row=5) if row[2].value == household(number))
