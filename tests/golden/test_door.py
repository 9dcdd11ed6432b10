"""One small delivery, and all that becomes of it, held word for word."""

from __future__ import annotations

from pathlib import Path

from tests.deliveries import write_csv
from tests.door import door, row

GOLDEN = Path(__file__).with_name("door.txt")


def test_what_becomes_of_a_delivery(tmp_path):
    rows = [
        row(),
        row(身份证号="990000000000000002", 户编号="h 2", 类别="教育", 金额="1,234.5", 人数="99"),
        row(身份证号="990000000000000003", 金额="-1", 区划="999999"),
        row(身份证号="990000000000000004", 是否撤销="是"),
        row(身份证号="990000000000000005", 结算日期="2025-02-30"),
    ]
    with door(tmp_path) as opened:
        prepared = opened.take(write_csv(rows).encode("gb18030"))
        parts = {"rows": opened.engine.rows("SELECT * FROM good_rows ORDER BY line")}
        parts |= {table: opened.records(table) for table in prepared.records}
        parts["identities"] = opened.engine.rows("SELECT * FROM identities ORDER BY ALL")
        parts["rejected"] = opened.engine.rows("SELECT * FROM rejected ORDER BY line")
        told = "".join(
            f"[{name}]\n" + "".join(f"{'|'.join(map(str, r))}\n" for r in rows) for name, rows in parts.items()
        )
    assert told == GOLDEN.read_text(encoding="utf-8")
