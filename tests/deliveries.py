"""Deliveries as departments really send them: good rows, and every way in which they go wrong, from one seed.

`good` makes rows of the trial feed; `spoil` makes a file of them with some faults. What is spoilt is known, so a test
can say which rows must have survived.
"""

from __future__ import annotations

import csv
import io
import random
import struct
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.project import Project

HEADINGS = [
    "身份证号",
    "姓名",
    "户编号",
    "结算日期",
    "月份",
    "类别",
    "金额",
    "比例",
    "人数",
    "区划",
    "登记日期",
    "是否撤销",
]
AREAS = ["440000", "441800", "441802"]
PROFILE = {
    "columns": {
        "身份证号": {"type": "text", "required": True},
        "姓名": {"type": "text"},
        "户编号": {"type": "text", "required": True, "aliases": ["家庭编号"]},
        "结算日期": {"type": "date", "required": True},
        "月份": {"type": "period", "required": True},
        "类别": {"type": "code", "required": True, "recode": {"医疗": "medical", "教育": "education", "1": "housing"}},
        "金额": {"type": "money", "unit": "yuan", "required": True, "missing": ["不详"]},
        "比例": {"type": "number", "minimum": 0, "maximum": 1},
        "人数": {"type": "integer", "minimum": 0, "maximum": 50, "missing": [99]},
        "区划": {"type": "text", "required": True},
        "登记日期": {"type": "date", "required": True},
        "是否撤销": {"type": "flag"},
    },
    "identifiers": {
        "person": {"from": ["身份证号"], "type": "resident", "subject": "person", "vault": {"name": "姓名"}},
        "household": {"from": ["户编号"], "type": "household_number"},
    },
    "key": ["person", "结算日期", "类别"],
    "knowledge": {"column": "登记日期"},
    "retracted": "是否撤销",
    "records": [
        {
            "table": "expense",
            "set": {"household_id": "household", "person_id": "person", "event_date": "结算日期", "period": "月份",
                    "kind": "类别", "amount": "金额"},
            "const": {"is_estimate": False},
        },
        {"table": "household", "set": {"household_id": "household", "valid_from": "结算日期", "area_code": "区划"}},
        {
            "table": "reading",
            "set": {"household_id": "household", "period": "月份"},
            "const": {"unit": "persons"},
            "each": {"key": "kind", "value": "value", "over": {"members": "人数", "children": "比例"}},
        },
    ],
}  # fmt: skip


def project(profile: dict | None = None, folder: Path | None = None, **sections) -> Project:
    """A project with one feed, `bills`."""
    levels = ["province", "prefecture", "county"]
    listed = [
        {"code": code, "name": {"zh": code, "en": code}, "level": level, "parent": parent}
        for code, level, parent in zip(AREAS, levels, [None, *AREAS], strict=False)
    ]
    content = {
        "version": 1,
        "name": "trial",
        "title": {"zh": "试", "en": "trial"},
        "calendar": {"cadence": "week", "grain": "month"},
        "store": {"buckets": 2, "partition": "year"},
        "areas": {"levels": levels, "visits": "county", "listed": listed},
        "departments": {"bureau": {"name": {"zh": "局", "en": "bureau"}}},
        "feeds": {
            "bills": {
                "name": {"zh": "结算", "en": "bills"},
                "department": "bureau",
                "cadence": "month",
                "profile": profile or PROFILE,
            }
        },
        "tasks": {"T": {"title": {"zh": "任务", "en": "task"}, "horizon": "13 weeks", "recorded": True}},
        "default_task": "T",
        "levels": {"source": "example", "since": "2024-01-01", "red": 0.5, "orange": 0.3, "yellow": 0.1},
        "capacity": {"source": "example", "since": "2024-01-01", "default": 10},
        "listing": {"source": "example", "since": "2024-01-01"},
        "promotion": {"source": "example", "since": "2024-01-01", "gates": []},
        **sections,
    }
    made = Project.model_validate(content)
    if folder is not None:
        made._folder = folder
    return made


def good(dice: random.Random, count: int, first: int = 0) -> list[list[str]]:
    """Rows of the trial feed that pass; keys differ."""
    rows = []
    for at in range(first, first + count):
        month = dice.randint(1, 12)
        rows.append(
            [
                f"99{at:016d}",
                dice.choice(["张三", "李四", "王小，明", 'O"Neil', "欧阳　娜娜"]),
                f"H{dice.randint(1, 9999):04d}",
                f"2025-{month:02d}-{dice.randint(1, 28):02d}",
                dice.choice([f"2025-{month:02d}", f"2025年{month}月", f"2025{month:02d}", f"2025/{month:02d}"]),
                dice.choice(["医疗", "教育", "1", "１"]),
                dice.choice(
                    ["0", "12.5", "1,234.56", "１２３．４", "￥99", "88元", "0.005", f"{dice.randint(0, 10**6)}"]
                ),
                dice.choice(["", "0", "0.25", "1", "1e-3"]),
                dice.choice(["", "3", "99", "4.0"]),
                dice.choice(AREAS),
                dice.choice(["2025-12-31", "2025/12/31", "20251231", "2025年12月31日"]),
                dice.choice(["", "否", "0", "false"]),
            ]
        )
    return rows


BAD_VALUES = {
    "身份证号": ["", "4.41900199001010E+17"],
    "户编号": ["", " ", "　"],
    "结算日期": ["", "1799-01-01", "2999-01-01", "2025-02-30", "昨天", "45000", "2025-13-01", "0000-00-00"],
    "月份": ["", "2025-13", "2025-W60", "2024-W53", "20250", "1700-01", "第三季度", "99999-01"],
    "类别": ["", "殡葬", "2", "医疗 费", "medical"],
    "金额": [
        "不详",
        "",
        "-1",
        "12,50",
        "1e3",
        "十元",
        "9" * 40,
        "999999999999999",
        "NaN",
        "inf",
        "0x10",
        "1_000",
        "--1",
    ],
    "比例": ["-0.1", "1.01", "nan", "abc", "1e999"],
    "人数": ["-1", "51", "3.5", "九"],
    "区划": ["", "999999", "4418", "44 1800"],
    "登记日期": ["", "2030-01-01", "1899-12-31", "31/12/2025"],
    "是否撤销": ["也许", "2026-01-01"],
}


@dataclass
class Delivery:
    """A file, how many rows it has, and what is known about them."""

    path: Path
    rows: int | None
    """None where nobody can say how many rows a broken file has."""
    survivors: set[str] = field(default_factory=set)
    """Identity numbers of rows that nothing was done to."""
    whole: bool = False
    """Whether the file as a whole must be refused."""
    fault: str = ""


def write_csv(rows: list[list[str]], headings: list[str] = HEADINGS, newline: str = "\r\n", quoting: int = 0) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=newline, quoting=quoting)
    writer.writerows([headings, *rows])
    return text.getvalue()


def spoil(seed: int, folder: Path) -> Delivery:
    """One delivery with the fault that the seed draws."""
    dice = random.Random(seed)
    fault = dice.choice(FAULTS)
    rows = good(dice, dice.randint(1, 12))
    made = fault(dice, rows, folder / f"delivery-{seed}")
    made.fault = fault.__name__
    return made


def _ids(rows: list[list[str]]) -> set[str]:
    return {row[0] for row in rows}


def _csv(path: Path, content: bytes, rows: int | None, survivors: set[str], *, whole: bool = False) -> Delivery:
    path = path.with_suffix(".csv")
    path.write_bytes(content)
    return Delivery(path, rows, survivors, whole)


def _encoded(dice: random.Random, text: str) -> bytes:
    return text.encode(dice.choice(["utf-8", "utf-8-sig", "gb18030"]))


# --- faults ---------------------------------------------------------------------------------------------------------


def nothing_wrong(dice, rows, path):
    quoting = dice.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    text = write_csv(rows, newline=dice.choice(["\n", "\r\n", "\r"]), quoting=quoting)
    return _csv(path, _encoded(dice, text), len(rows), _ids(rows))


def shuffled_columns(dice, rows, path):
    order = list(range(len(HEADINGS)))
    dice.shuffle(order)
    headings = [f"  {HEADINGS[at]} " if dice.random() < 0.2 else HEADINGS[at] for at in order]
    shuffled = [[row[at] for at in order] for row in rows]
    return _csv(path, _encoded(dice, write_csv(shuffled, headings)), len(rows), _ids(rows))


def wrong_values(dice, rows, path):
    spoilt = dice.sample(rows, dice.randint(1, len(rows)))
    keep = _ids(rows) - _ids(spoilt)
    for row in spoilt:
        for name in dice.sample(sorted(BAD_VALUES), dice.randint(1, 3)):
            row[HEADINGS.index(name)] = dice.choice(BAD_VALUES[name])
    return _csv(path, _encoded(dice, write_csv(rows)), len(rows), keep)


def broken_bytes(dice, rows, path):
    lines = write_csv(rows, newline="\n").encode("utf-8").split(b"\n")
    at = dice.randrange(1, len(lines) - 1)
    bad = bytes(dice.choice([0xFF, 0xC0, 0xFE, 0x81]) for _ in range(dice.randint(1, 4)))
    place = dice.randrange(0, len(lines[at]) + 1)
    lines[at] = lines[at][:place] + bad + lines[at][place:]
    rest = {row[0] for number, row in enumerate(rows, 1) if number != at}
    return _csv(path, b"\n".join(lines), len(rows), rest if len(rows) > 2 else set())


def cut_file(dice, rows, path):
    content = write_csv(rows).encode("utf-8")
    return _csv(path, content[: dice.randrange(1, len(content))], None, set())


def ragged_lines(dice, rows, path):
    spoilt = dice.sample(range(len(rows)), dice.randint(1, len(rows)))
    keep = _ids([row for at, row in enumerate(rows) if at not in spoilt])
    for at in spoilt:
        rows[at] = rows[at][: dice.randint(1, 11)] if dice.random() < 0.5 else [*rows[at], "多出"]
    return _csv(path, _encoded(dice, write_csv(rows)), len(rows), keep)


def stray_quotes(dice, rows, path):
    lines = write_csv(rows, newline="\n").rstrip("\n").split("\n")
    at = dice.randrange(1, len(lines))
    cells = lines[at].split(",")
    place = dice.randrange(len(cells))
    cells[place] = '"' + cells[place] if dice.random() < 0.5 else cells[place] + '"'
    lines[at] = ",".join(cells)
    return _csv(path, _encoded(dice, "\n".join(lines) + "\n"), len(rows), set())


def nul_bytes(dice, rows, path):
    row = dice.choice(rows)
    row[dice.randrange(len(row))] += "\x00"
    return _csv(path, write_csv(rows).encode("utf-8"), len(rows), _ids(rows) - {row[0]} - {row[0].rstrip("\x00")})


def lines_in_cells(dice, rows, path):
    for row in rows:
        row[1] = "第一行\n第二行" + "\n" * dice.randint(0, 2)
    return _csv(path, _encoded(dice, write_csv(rows)), len(rows), _ids(rows))


def same_key_twice(dice, rows, path):
    row = dice.choice(rows)
    other = [*row]
    same = dice.random() < 0.3
    if not same:
        other[6] = "777777"
    rows.insert(dice.randrange(len(rows) + 1), other)
    keep = _ids(rows) if same else _ids(rows) - {row[0]}
    return _csv(path, _encoded(dice, write_csv(rows)), len(rows), keep)


def no_header(dice, rows, path):
    text = write_csv(rows, headings=rows[0])
    return _csv(path, _encoded(dice, text), None, set(), whole=True)


def odd_header(dice, rows, path):
    headings = [*HEADINGS, *dice.sample(["", "备注", "备注", "__line", "line", "ROW_KEY", "unread"], 3), "最后"]
    filled = [[*row, "a", "b", "c", "d"] for row in rows]
    return _csv(path, _encoded(dice, write_csv(filled, headings)), len(rows), _ids(rows))


def column_gone(dice, rows, path):
    at = dice.randrange(len(HEADINGS))
    required = PROFILE["columns"][HEADINGS[at]].get("required", False)
    cut = [[cell for place, cell in enumerate(row) if place != at] for row in rows]
    headings = [name for place, name in enumerate(HEADINGS) if place != at]
    return _csv(path, _encoded(dice, write_csv(cut, headings)), len(rows), set() if required else _ids(rows))


def empty(dice, rows, path):
    content = dice.choice([b"", b"\n\n\n", b"\xef\xbb\xbf", b" ", b",,,,\r\n", b"\x00" * 50])
    return _csv(path, content, None, set(), whole=True)


def only_header(dice, rows, path):
    return _csv(path, _encoded(dice, write_csv([])), 0, set())


def noise(dice, rows, path):
    return _csv(path, dice.randbytes(dice.randint(1, 3000)), None, set(), whole=True)


def blank_lines(dice, rows, path):
    text = write_csv(rows, newline="\n").replace("\n", "\n\n" if dice.random() < 0.5 else "\n,,,,,,,,,,,\n")
    return _csv(path, _encoded(dice, text), len(rows), _ids(rows))


def long_line(dice, rows, path):
    row = dice.choice(rows)
    row[1] = "长" * dice.choice([200_000, 600_000])
    return _csv(path, write_csv(rows).encode("utf-8"), len(rows), _ids(rows) - {row[0]})


def _book(path: Path, rows: list[list[object]], formulas: dict[tuple[int, int], str] | None = None) -> Path:
    import xlsxwriter

    path = path.with_suffix(".xlsx")
    with xlsxwriter.Workbook(str(path), {"strings_to_numbers": False, "in_memory": True}) as book:
        sheet = book.add_worksheet("数据")
        for at, cells in enumerate([HEADINGS, *rows]):
            for place, cell in enumerate(cells):
                if isinstance(cell, float):
                    sheet.write_number(at, place, cell)
                else:
                    sheet.write_string(at, place, str(cell))
        for (at, place), formula in (formulas or {}).items():
            sheet.write_formula(at, place, formula, None, 42)
    return path


def sheet_good(dice, rows, path):
    return Delivery(_book(path, rows), len(rows), _ids(rows))


def formula_cells(dice, rows, path):
    spoilt = dice.sample(range(len(rows)), dice.randint(1, len(rows)))
    formulas = {(at + 1, dice.randrange(len(HEADINGS))): "=1+41" for at in spoilt}
    keep = _ids([row for at, row in enumerate(rows) if at not in spoilt])
    return Delivery(_book(path, rows, formulas), len(rows), keep)


def rounded_numbers(dice, rows, path):
    keep = _ids(rows[1:])
    rows[0][0] = float(441900199001010012)
    return Delivery(_book(path, rows), len(rows), keep)


def cut_sheet(dice, rows, path):
    path = _book(path, rows)
    content = path.read_bytes()
    path.write_bytes(content[: dice.randrange(1, len(content) - 30)])
    return Delivery(path, None, set(), whole=True)


def zip_bomb(dice, rows, path):
    path = path.with_suffix(".xlsx")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 25_000_000)
        archive.writestr("[Content_Types].xml", b"<Types/>")
    return Delivery(path, None, set(), whole=True)


def lying_zip(dice, rows, path):
    """A sheet whose directory says that it is small."""
    path = _book(path, rows)
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 10)
    path.write_bytes(bytes(content))
    return Delivery(path, None, set())


def other_zip(dice, rows, path):
    path = path.with_suffix(".xlsx")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no workbook")
    return Delivery(path, None, set(), whole=True)


def hostile_xml(dice, rows, path):
    path = _book(path, rows)
    entity = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = dice.choice(["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml"])
    members[name] = members[name].replace(b"?>", b"?>" + entity, 1)
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return Delivery(path, None, set(), whole=True)


def parquet_good(dice, rows, path):
    path = path.with_suffix(".parquet")
    pq.write_table(pa.table({name: [row[at] for row in rows] for at, name in enumerate(HEADINGS)}), path)
    return Delivery(path, len(rows), _ids(rows))


def cut_parquet(dice, rows, path):
    made = parquet_good(dice, rows, path)
    content = made.path.read_bytes()
    made.path.write_bytes(content[: dice.randrange(1, len(content))])
    return Delivery(made.path, None, set(), whole=True)


def odd_parquet(dice, rows, path):
    """Columns of types that nobody expects."""
    path = path.with_suffix(".parquet")
    columns: dict[str, object] = {name: [row[at] for row in rows] for at, name in enumerate(HEADINGS)}
    odd = dice.choice(
        [
            pa.array([[1, 2]] * len(rows)),
            pa.array([{"a": 1}] * len(rows)),
            pa.array([b"\xff\x00"] * len(rows)),
            pa.array([None] * len(rows), pa.null()),
            pa.array([float("nan"), float("inf"), 1e300][: len(rows)] + [0.5] * max(0, len(rows) - 3)),
            pa.array([2**62] * len(rows)),
            pa.array([True] * len(rows)),
            pa.array([10**9] * len(rows), pa.timestamp("us", "Asia/Shanghai")),
        ]
    )
    columns[dice.choice(HEADINGS)] = odd
    pq.write_table(pa.table(columns), path)
    return Delivery(path, len(rows), set())


FAULTS = [
    nothing_wrong, shuffled_columns, wrong_values, wrong_values, wrong_values, broken_bytes, cut_file, ragged_lines,
    stray_quotes, nul_bytes, lines_in_cells, same_key_twice, no_header, odd_header, column_gone, empty, only_header,
    noise, blank_lines, long_line, sheet_good, formula_cells, rounded_numbers, cut_sheet, zip_bomb, lying_zip,
    other_zip, hostile_xml, parquet_good, cut_parquet, odd_parquet,
]  # fmt: skip
