"""The weekly bulletin: its sentences, what it does not say, and its two files."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import docx
import pytest

from features.strict import Words
from reports.bulletin import FILES, Bulletin, Department, Part, content, to_docx, to_pdf


def words(zh: str, en: str) -> Words:
    return Words(zh=zh, en=en)


def made(**changes: Any) -> Bulletin:
    part = {"cases": 44, "visited": 40, "helped": None, "overdue": 12}
    shares = {"on_time": (41, 30, 52), "confirmed": None}
    bulletin = Bulletin(
        project=words("预警（示例）", "Warning (sample)"),
        area=words("清远市英德市", "Yingde, Qingyuan"),
        cadence="week",
        day=date(2026, 11, 8),
        whole=Part(
            words("英德市", "Yingde"), {**part, "cases": 120}, {"on_time": (78, 70, 84), "confirmed": (40, 31, 50)}
        ),
        before=98,
        parts=(Part(words("东镇", "East"), part, shares), Part(words("西镇", "West"))),
        departments=(Department(words("医保局", "Medical security"), 60, 40, 20, 12, 4.5),),
        more_departments=0,
        weeks=12,
        sources=(40, ((words("住院费用", "hospital bills"), "2026-10-31"),)),
        least=10,
        account="c1",
        at=datetime(2026, 11, 12, 9, 30, tzinfo=ZoneInfo("Asia/Shanghai")),
    )
    return replace(bulletin, **changes)


def told(bulletin: Bulletin, language: str = "zh") -> list[str]:
    return [block["text"] for block in content(bulletin, language)["blocks"] if block["kind"] == "text"]


def heads(bulletin: Bulletin, language: str = "zh") -> list[str]:
    return [block["text"] for block in content(bulletin, language)["blocks"] if block["kind"] == "heading"]


def test_it_says_what_the_figures_are() -> None:
    first, until, *_ = told(made())
    assert first == "2026年11月8日清单应核查家庭120户。上一期98户。"
    assert until == "截至2026年11月12日：已核查40户；按期完成率78%（70–84%）；核查属实率40%（31–50%）；超期未办12户。"
    hidden = made(whole=Part(words("英德市", "Yingde"), {"cases": 12, "overdue": None}, {"on_time": (78, 70, 84)}))
    assert told(hidden)[1] == "截至2026年11月12日：按期完成率78%（70–84%）。"
    assert (
        told(hidden, "en")[0]
        == "The list of 8 Nov 2026 asks for visits to 12 households. The list before asked for 98."
    )
    shown = content(made(), "zh")
    assert shown["title"] == "清远市英德市低收入人口动态监测预警周通报" and "2026年第45周" in shown["number"]
    tables = [block for block in shown["blocks"] if block["kind"] == "table"]
    assert tables[0]["rows"] == [
        ["东镇", "44", "41%（30–52%）", "样本不足", "不显示", "12"],
        ["西镇", "不显示", "不显示", "不显示", "不显示", "不显示"],
    ]
    assert tables[1]["rows"] == [["医保局", "60", "40", "20", "12", "4.5"]]
    assert all(len(table["widths"]) == len(table["head"]) == 6 and sum(table["widths"]) == 156 for table in tables)


def test_what_needs_attention_is_named_and_nothing_that_is_not_shown() -> None:
    text = "".join(told(made()))
    assert "超期未办较多的辖区：东镇12户。" in text and "明显低于总体水平的辖区：东镇41%。" in text
    assert "有超期未办结事项的部门：医保局12件。" in text and "住院费用（数据到 2026-10-31）" in text
    assert "西镇" not in text
    many = tuple(Part(words(f"{n}号镇", f"Town {n}"), {"overdue": 20 - n}) for n in range(8))
    assert "0号镇20户、1号镇19户、2号镇18户、3号镇17户、4号镇16户等8个。" in "".join(told(made(parts=many)))
    assert "Town 4: 16 (8 in all)." in " ".join(told(made(parts=many), "en"))


def quiet(**changes: Any) -> Bulletin:
    """Nothing overdue anywhere, and everything known."""
    whole = Part(words("英德市", "Yingde"), {"cases": 40, "overdue": 0})
    return made(**{"whole": whole, "parts": (), "departments": (), "sources": (40, ()), "before": None, **changes})


def test_all_is_well_only_where_everything_says_so() -> None:
    well = "本期没有需要特别关注的事项。"
    assert well in told(quiet())
    assert heads(quiet()) == ["一、总体情况", "二、需要关注的事项", "三、有关说明"]
    assert "上一期" not in told(quiet())[0]
    late = quiet(whole=Part(words("甲村", "A"), {"cases": 40, "overdue": 12}))
    assert "超期未办12户，请及时核查。" in told(late) and well not in told(late)
    hidden = Part(words("甲村", "A"), {"cases": 40, "overdue": None})
    for unknown in (quiet(whole=hidden), quiet(sources=None), quiet(more_departments=1)):
        assert well not in told(unknown) and len(heads(unknown)) == 2


@pytest.mark.parametrize(
    ("cadence", "day", "title", "number"),
    [
        ("week", date(2027, 1, 3), "监测预警周通报", "2026年第53周"),
        ("month", date(2012, 12, 31), "监测预警月通报", "2012年12月（"),
        ("quarter", date(2012, 12, 31), "监测预警季通报", "2012年第4季度"),
    ],
)
def test_it_is_named_by_its_period(cadence: str, day: date, title: str, number: str) -> None:
    shown = content(made(cadence=cadence, day=day), "zh")
    assert shown["title"].endswith(title) and shown["number"].startswith(number)


def test_threads_set_their_pages_at_the_same_time() -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: to_pdf(made()), range(8)))) == 1


def test_english_is_whole() -> None:
    shown = content(made(), "en")
    assert not re.search("[\u4e00-\u9fff]", str({**shown, "blocks": shown["blocks"]}))
    assert heads(made(), "en")[0] == "1. Summary" and len(heads(made(), "en")) == 5


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_same_bulletin_gives_the_same_bytes(kind: str, language: str) -> None:
    assert FILES[kind](made(), language) == FILES[kind](made(), language)
    assert FILES[kind](made(), language) != FILES[kind](made(before=99), language)


def test_word_opens_it_and_finds_nothing_but_text_and_tables() -> None:
    hostile = '=1+1 & <w:p> "x" {{y}} #emph[z]'
    raw = to_docx(made(area=words(hostile, hostile)))
    opened = docx.Document(io.BytesIO(raw))
    assert opened.paragraphs[0].text == f"{hostile}低收入人口动态监测预警周通报"
    assert [one.text for one in opened.paragraphs if one.style.name == "Normal"] == told(made())
    assert [cell.text for cell in opened.tables[0].rows[1].cells][:2] == ["东镇", "44"]
    assert opened.styles["Normal"].element.xpath("./w:rPr/w:rFonts/@w:eastAsia") == ["仿宋"]
    assert opened.core_properties.created == datetime(2026, 11, 12, 1, 30, tzinfo=UTC)
    with zipfile.ZipFile(io.BytesIO(raw)) as parts:
        assert not [name for name in parts.namelist() if "thumbnail" in name]
        assert not [name for name in parts.namelist() if "vba" in name.lower() or "embed" in name.lower()]
        assert not [name for name in parts.namelist() if b'TargetMode="External"' in parts.read(name)]


def test_pdf_says_the_same_and_reads_nothing_as_markup(tmp_path: Path) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("there is no pdftotext on this machine")
    hostile = "#emph[z] $x$ @y *b*"
    many = tuple(Part(words(f"{n}号镇", f"Town {n}"), {"cases": 20 + n, "overdue": 0}) for n in range(60))
    file = tmp_path / "bulletin.pdf"
    file.write_bytes(to_pdf(made(area=words(hostile, hostile), parts=many)))
    out = subprocess.run(["pdftotext", "-raw", str(file), "-"], capture_output=True, check=True).stdout.decode()
    text = re.sub(r"\s", "", out)
    assert re.sub(r"\s", "", hostile) in text and "59号镇" in text
    assert text.count("已落实救助超期") >= 2  # the head of the table stands on each of its pages
