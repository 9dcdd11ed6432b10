"""The door in tests: a delivery in, what became of its rows out."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from features.engines.duckdb import Engine, connect
from features.feeds.preparation import Prepared, prepare
from features.settings import Home, Settings
from tests.deliveries import HEADINGS, PROFILE, project, write_csv

RECEIVED = date(2026, 1, 31)


def pseudonym(kind: str, text: str) -> str:
    return hashlib.sha256(f"{kind}|{text}".encode()).hexdigest()[:24]


def pseudonyms(kind: str, texts: pa.Array) -> pa.Array:
    return pa.array([None if text is None else pseudonym(kind, text) for text in texts.to_pylist()], pa.string())


@dataclass
class Door:
    """One engine, and deliveries through it."""

    engine: Engine
    folder: Path

    def take(self, content, profile=None, *, name="delivery.csv", received_on=RECEIVED) -> Prepared:
        """Prepare bytes, text, rows below the usual headings, or a file."""
        path = self.folder / name
        if isinstance(content, Path):
            path = content
        elif isinstance(content, list):
            path.write_text(write_csv(content), encoding="utf-8", newline="")
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.prepared = prepare(
            path, "bills", project(profile), engine=self.engine, pseudonymise=pseudonyms, received_on=received_on
        )
        accounted = self.prepared.good + len(self.rejected())
        assert accounted == self.prepared.delivered, "every delivered row is accounted for"
        return self.prepared

    def rejected(self) -> list[tuple]:
        """Line, column, rule."""
        return self.engine.rows("SELECT line, column_name, rule FROM rejected ORDER BY line")

    def originals(self) -> list[dict]:
        return [json.loads(text) for (text,) in self.engine.rows("SELECT original FROM rejected ORDER BY line")]

    def records(self, table: str, columns: str = "*") -> list[tuple]:
        return self.engine.rows(f"SELECT {columns} FROM {self.prepared.records[table]} ORDER BY ALL")

    def rows(self, columns: str) -> list[tuple]:
        return self.engine.rows(f"SELECT {columns} FROM good_rows ORDER BY line")


@contextmanager
def door(folder: Path) -> Iterator[Door]:
    """A door with a scratch folder of its own."""
    engine = connect(Settings(home=folder, threads=1), Home(folder))
    try:
        yield Door(engine, folder)
    finally:
        engine.close()


def row(**changes: str) -> list[str]:
    """A row that passes, but for what is changed."""
    usual = {
        "身份证号": "990000000000000001",
        "姓名": "张三",
        "户编号": "H1",
        "结算日期": "2025-03-05",
        "月份": "2025-03",
        "类别": "医疗",
        "金额": "12.50",
        "比例": "0.5",
        "人数": "3",
        "区划": "441802",
        "登记日期": "2025-04-01",
        "是否撤销": "否",
    }
    return [{**usual, **changes}[name] for name in HEADINGS]


def changed(**columns: dict) -> dict:
    """The trial profile with some columns declared otherwise."""
    profile = copy.deepcopy(PROFILE)
    for name, column in columns.items():
        profile["columns"][name] = column
    return profile


def small(column: dict, *, unit: str = "x", **profile: object) -> dict:
    """A profile of one column beside a household and a month, told as a reading or an income."""
    money = column["type"] == "money"
    record = {
        "table": "income" if money else "reading",
        "set": {"household_id": "household", "period": "month", "amount" if money else "value": "x"},
        "const": {"source": "wage"} if money else {"kind": "members", "unit": unit},
        "when_present": ["x"],
    }
    return {
        "columns": {"who": {"type": "text", "required": True}, "month": {"type": "period"}, "x": column},
        "identifiers": {"household": {"from": ["who"], "type": "h"}},
        "key": ["household", "month"],
        "records": [record],
        **profile,
    }
