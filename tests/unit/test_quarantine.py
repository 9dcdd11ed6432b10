"""The quarantine: encrypted at rest, readable by those who repair, and fit to be sent again."""

from __future__ import annotations

import csv
import json
import stat

import pytest
from cryptography.fernet import Fernet, MultiFernet

from features.errors import DependencyError
from features.feeds import quarantine as module
from features.feeds.quarantine import Quarantine
from tests.deliveries import HEADINGS
from tests.door import row

REASONS = [["金额", "negative_amount"], ["人数", "unreadable"]]


@pytest.fixture
def kept(tmp_path):
    quarantine = Quarantine(tmp_path / "quarantine", MultiFernet([Fernet(Fernet.generate_key())]))
    original = dict(zip(HEADINGS, row(金额="-1", 人数="=九"), strict=True))
    rows = [
        (2, "金额", "negative_amount", json.dumps(original, ensure_ascii=False), json.dumps(REASONS)),
        (5, "", "encoding", json.dumps({"": "坏\\xff行"}, ensure_ascii=False)),
    ]
    quarantine.put("bills-1", "bills", "三月.csv", HEADINGS, iter(rows))
    return quarantine


def test_nothing_is_readable_on_disk(kept):
    for path in (kept.folder / "bills-1").glob("*.enc"):
        assert "张三".encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_people_see_where_why_and_how_to_repair_but_not_the_row(kept):
    first, second = kept.rows(feed="bills")
    assert (first["line"], first["column"], first["rule"]) == (2, "金额", "negative_amount")
    assert all(first[part] for part in ("reason_zh", "reason_en", "repair_zh", "repair_en"))
    assert second["rule"] == "encoding"
    assert "张三" not in str(kept.rows())
    assert kept.rows(feed="other") == []


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_what_is_exported_has_the_departments_own_columns_and_all_reasons(kept, tmp_path, ending):
    out = tmp_path / f"repair{ending}"
    assert kept.export(out) == 2
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    if ending == ".csv":
        text = out.read_text(encoding="utf-8-sig")
        header, first, second = list(csv.reader(text.splitlines()))
    else:
        import openpyxl

        sheet = openpyxl.load_workbook(out).active
        header, first, second = [[cell.value or "" for cell in cells] for cells in sheet.iter_rows()]
    assert header[4:] == [*HEADINGS, "整行 whole line"]
    assert first[:2] == ["2", "金额；人数"]
    assert "金额为负" in first[2]
    assert "无法读成" in first[2]
    assert first[header.index("姓名")] == "张三"
    assert first[header.index("金额")] == "-1"
    assert first[header.index("人数")].lstrip("'") == "=九"
    assert second[-1] == "坏\\xff行"


def test_a_file_is_kept_whole_and_comes_back_as_it_was(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 10)
    path = tmp_path / "坏.parquet"
    path.write_bytes(bytes(range(256)))
    for _ in range(2):
        kept.put_file("bills-x", "bills", path, "delivery_unreadable")
    kept.restore_file("bills-x", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == path.read_bytes()
    assert {found["rule"] for found in kept.rows()} == {"negative_amount", "encoding", "delivery_unreadable"}


def test_keys_rotate_and_a_lost_key_is_said(kept, monkeypatch):
    old = kept._cipher
    monkeypatch.setattr(module, "CHUNK", 1)
    new = Fernet(Fernet.generate_key())
    Quarantine(kept.folder, MultiFernet([new, *old._fernets])).rotate()
    assert len(list(Quarantine(kept.folder, MultiFernet([new])).entries())) == 2
    with pytest.raises(DependencyError):
        list(kept.entries())


def test_deliveries_that_were_never_committed_are_forgotten(kept):
    kept.keep_only({"bills-1"})
    assert len(list(kept.entries())) == 2
    kept.keep_only(set())
    assert list(kept.entries()) == []
