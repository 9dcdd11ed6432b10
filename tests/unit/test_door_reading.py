"""Containers and encodings: the same rows whatever they come in, with the lines that people see."""

from __future__ import annotations

import sqlite3

import pytest

from features.errors import DataError, DependencyError
from features.feeds.reading import headings
from tests.deliveries import HEADINGS, PROFILE, _book, project, write_csv
from tests.door import door, row

ROWS = [row(), row(身份证号="990000000000000002", 姓名="李四")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, encoding, newline):
    with door(tmp_path) as opened:
        opened.take(write_csv(ROWS, newline=newline).encode(encoding))
        assert opened.rows("line") == [(2,), (3,)]
        assert opened.records("expense", "amount") == [(1250,), (1250,)]


def test_a_line_keeps_its_number_behind_broken_and_blank_ones(tmp_path):
    lines = write_csv(ROWS, newline="\n").encode().split(b"\n")
    content = b"\n".join([lines[0], b"", lines[1], b"\xff\xff", b"", lines[2], b""])
    with door(tmp_path) as opened:
        opened.take(content)
        assert opened.rows("line") == [(3,), (6,)]
        assert opened.rejected() == [(4, "", "encoding")]
        assert opened.originals() == [{"": "\\xff\\xff"}]


def test_cells_over_several_lines_and_quotes_that_never_close(tmp_path):
    text = write_csv([row(姓名="张\n三"), ROWS[1]], newline="\n")
    with door(tmp_path) as opened:
        opened.take(text)
        assert opened.rows("line") == [(2,), (4,)]
        opened.take(text + '"990000000000000003,李\n' + ",".join(row(身份证号="990000000000000004")) + "\n")
        assert opened.rows("line") == [(2,), (4,), (6,)]
        assert opened.rejected() == [(5, "", "unclosed_quote")]


def test_quotes_inside_cells_do_not_swallow_the_next_line(tmp_path):
    rows = [row(姓名='5" 管'), row(身份证号="990000000000000002", 姓名='6" 管')]
    text = ",".join(HEADINGS) + "\n" + "".join(",".join(cells) + "\n" for cells in rows)
    with door(tmp_path) as opened:
        opened.take(text)
        assert opened.rows("line") == [(2,), (3,)]


def test_odd_headings(tmp_path):
    strange = [*HEADINGS, "备注", "备注", "__line", "LINE", "", "末"]
    with door(tmp_path) as opened:
        prepared = opened.take(write_csv([[*ROWS[0], *"abcdef"]], strange))
        assert prepared.good == 1
        assert prepared.warnings == ("没有用到的列数 columns not used: 6",)
        assert opened.take(write_csv([[*ROWS[0], "", ""]], [*HEADINGS, "", ""])).good == 1


def test_header_row_and_delimiter_of_the_profile(tmp_path):
    profile = {**PROFILE, "source": {"header_row": 3, "delimiter": ";"}}
    text = "统计表;;\n2025年;;\n" + "\n".join(";".join(cells) for cells in [HEADINGS, *ROWS]) + "\n"
    with door(tmp_path) as opened:
        opened.take(text, profile)
        assert opened.rows("line") == [(4,), (5,)]


def test_a_workbook_and_its_sheets(tmp_path):
    path = _book(tmp_path / "book", [*ROWS, [""] * len(HEADINGS), row(身份证号="990000000000000003")])
    with door(tmp_path) as opened:
        opened.take(path)
        assert opened.rows("line") == [(2,), (3,), (5,)]
        opened.take(path, {**PROFILE, "source": {"sheet": "数据"}})
        with pytest.raises(DataError) as raised:
            opened.take(path, {**PROFILE, "source": {"sheet": "没有"}})
        assert raised.value.code == "sheet_missing"


def test_a_number_that_a_spreadsheet_has_rounded_is_not_believed(tmp_path):
    cells = ROWS[0][1:]
    path = _book(tmp_path / "rounded", [[441900199001010012.0, *cells], ROWS[1]])
    with door(tmp_path) as opened:
        opened.take(path)
        assert opened.rejected() == [(2, "", "digits_lost")]
        assert opened.originals()[0]["姓名"] == "张三"


def test_a_query_on_a_database(tmp_path):
    columns = ", ".join(f'"{name}" TEXT' for name in HEADINGS)
    with sqlite3.connect(tmp_path / "source.db") as database:
        database.execute(f"CREATE TABLE bills ({columns})")
        database.executemany(f"INSERT INTO bills VALUES ({', '.join('?' * len(HEADINGS))})", ROWS)
    database.close()
    profile = {**PROFILE, "source": {"format": "sql", "query": "SELECT * FROM bills ORDER BY 1"}}
    from features.feeds.preparation import prepare
    from tests.door import RECEIVED, pseudonyms

    def take(address, profile):
        return prepare(
            address, "bills", project(profile), engine=opened.engine, pseudonymise=pseudonyms, received_on=RECEIVED
        )

    with door(tmp_path) as opened:
        prepared = take(f"sqlite:///{tmp_path}/source.db", profile)
        assert (prepared.delivered, prepared.good) == (2, 2)
        with pytest.raises(DependencyError) as raised:
            take("sqlite:////nowhere/secret.db", profile)
        assert "secret" not in str(raised.value)
        with pytest.raises(DataError):
            take("sqlite://", {**PROFILE, "source": {"format": "sql"}})


def test_headings_alone_say_whose_a_file_is(tmp_path):
    feed = project().feeds["bills"].profile
    path = tmp_path / "a.csv"
    path.write_text(write_csv(ROWS), encoding="gb18030")
    assert headings(path, feed) == HEADINGS
    assert headings(_book(tmp_path / "b", ROWS), feed) == HEADINGS


def test_no_value_of_an_identity_column_leaves_but_to_quarantine_and_vault(tmp_path):
    with door(tmp_path) as opened:
        prepared = opened.take([row(), row(身份证号="990000000000000002", 姓名="赵六", 金额="坏")])
        opened.engine.sql(f"CREATE TABLE everything AS SELECT * FROM read_parquet('{prepared.typed}')")
        for table in ("everything", "good_rows", *prepared.records.values()):
            text = str(opened.engine.rows(f"SELECT * FROM {table}"))
            assert not any(secret in text for secret in ("9900000000", "张三", "赵六", "'H1'"))
        assert opened.engine.rows("SELECT field, value FROM identities") == [("name", "张三")]
        assert opened.engine.rows("SELECT value FROM rejected") == [("坏",)]
        assert opened.originals()[0]["姓名"] == "赵六"
