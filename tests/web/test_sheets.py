"""The visit sheet: everything of the record on it, two sides, nothing of a score for who visits first, the same bytes."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from features.strict import Words
from reports.visit_sheet import Fact, Sheet, Topic, blind_topics, content, to_html, to_pdf
from serving.casework import actions as a
from serving.casework import cases
from serving.casework.alerts import open_week
from serving.casework.sheets import boxes
from serving.casework.tables import AuditRow
from serving.web.office import Office
from tests.casework.desks import household
from tests.casework.made import TOWN, TOWN_AREA, VILLAGE, VILLAGE_AREA, form
from tests.web.offices import signed_in
from tests.web.shown import SENTENCES, Rich, case_of, rich

FIELDS = (
    "visited_on", "method", "met", "minutes", "validity", "causes", "depth", "onset", "evidence", "savings", "kin",
    "disposition", "needs", "watch_until", "recheck_on", "note",
)  # fmt: skip
LEAKS = ("骤增", "骤减", "27,130", "每 100 户", "级别", "rank", "expense", "income", "9 倍", "9 times")
HOSTILE = '#panic("x") *b* $x$ #sys.inputs <script>alert(1)</script> \\ @ref `raw` //c'


def made(*, blind: bool = False, text: str = "住院结算 13,400 元") -> Sheet:
    said = Words(zh=text, en=text)
    return Sheet(
        project=said, household="8f3c21d09ab44e67c51b0d2e", place=said, as_of=date(2026, 11, 22),
        visit_by=date(2026, 11, 27), facts=tuple(Fact(date(2026, 11, 1 + n), said) for n in range(9)),
        topics=blind_topics() if blind else tuple(Topic(family, (said,)) for family in (*SENTENCES, "strange", "context")),
        vocabulary=boxes(), most_causes=3, account="v1", at=datetime(2026, 11, 26, 7, tzinfo=UTC), blind=blind,
    )  # fmt: skip


def read(pdf: bytes, folder: Path) -> tuple[str, int]:
    """Text without spaces, and how many pages; needs pdftotext."""
    if shutil.which("pdftotext") is None:
        pytest.skip("there is no pdftotext on this machine")
    path = folder / "sheet.pdf"
    path.write_bytes(pdf)
    out = subprocess.run(["pdftotext", "-raw", str(path), "-"], capture_output=True, check=True).stdout.decode()
    return re.sub(r"\s", "", out), out.count("\f")


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("blind", [False, True])
def test_every_field_of_the_record_is_on_two_sides(tmp_path: Path, language: str, *, blind: bool) -> None:
    sheet = made(blind=blind)
    text, sides = read(to_pdf(sheet, language=language), tmp_path)
    assert sides == 2
    shown = content(sheet, language)
    fields = [field for part in shown["parts"] for field in part["fields"]]
    assert tuple(field["name"] for field in fields) == FIELDS
    wanted = [field["title"] for field in fields] + [choice for field in fields for choice in field["choices"]]
    wanted += [*shown["verdicts"], shown["reminder"], shown["printed"], shown["code"]]
    missing = [one for one in wanted if re.sub(r"\s", "", one) not in text]
    assert missing == []
    assert ("Page2of2" if language == "en" else "第2页，共2页") in text
    page = to_html(sheet, language)
    assert "<script" not in page
    assert [one for one in wanted if one.replace("'", "&#39;") not in page] == []


def test_the_same_sheet_gives_the_same_bytes() -> None:
    assert to_pdf(made()) == to_pdf(made())
    assert to_pdf(made()) != to_pdf(made(blind=True))


def test_what_people_typed_is_no_markup(tmp_path: Path) -> None:
    text, sides = read(to_pdf(made(text=HOSTILE)), tmp_path)
    assert sides == 2
    assert '#panic("x")*b*$x$#sys.inputs<script>' in text
    assert "<script" not in to_html(made(text=HOSTILE))


def test_very_long_texts_stay_on_two_sides(tmp_path: Path) -> None:
    assert read(to_pdf(made(text="近三个月医疗自付" * 200)), tmp_path)[1] == 2
    assert read(to_pdf(made(text="own medical payments " * 90), language="en"), tmp_path)[1] == 2


@pytest.fixture
def desk(office: Office) -> Office:
    rich(office.desk, 9)
    for n in (0, 8):
        with office.desk.database.reading() as session:
            case_id = cases.newest_case(session, household(n)).case_id
        office.desk.act(a.Assign(by=TOWN, to=VILLAGE), case_id, 0)
    return office


def test_who_visits_first_reads_no_score_and_random_rows_look_alike(desk: Office, tmp_path: Path) -> None:
    who, texts, pages = signed_in(desk, "v1"), [], []
    for n in (0, 8):
        answer = who.get(f"/households/{household(n)}/sheet.pdf")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/pdf"
        text, sides = read(answer.content, tmp_path)
        assert sides == 2
        page = who.get(f"/households/{household(n)}/sheet").text
        for leak in LEAKS:
            assert leak not in text and leak not in page, leak
        texts.append(re.sub(r"[0-9a-f]{4}-[0-9a-f]{4}|\d+月\d+日", "·", text))
        pages.append(re.sub(r"[0-9a-f]{24}|[0-9a-f]{4}-[0-9a-f]{4}|\d+月\d+日", "·", page))
    assert texts[0] == texts[1]
    assert pages[0] == pages[1]


def test_who_sees_scores_reads_the_reasons_and_each_sheet_is_written_down(desk: Office, tmp_path: Path) -> None:
    desk.desk.act(a.Assign(by=TOWN, to=TOWN), case_of(desk, 1).case_id, 0)
    who = signed_in(desk, "c1")
    text, _ = read(who.get(f"/households/{household(1)}/sheet.pdf").content, tmp_path)
    assert sum(re.sub(r"\s", "", said[0]) in text for said in SENTENCES.values()) == 2
    assert "c1于" in text
    with desk.desk.database.reading() as session:
        lines = list(session.scalars(select(AuditRow).where(AuditRow.kind == "export")))
    assert [(line.account, line.subject) for line in lines] == [("c1", household(1))]


@pytest.mark.parametrize("number", [0, 2])
def test_a_sheet_for_who_visits_first_is_blind_whoever_prints_it(desk: Office, tmp_path: Path, number: int) -> None:
    """Household 0 is given to a village, household 2 to nobody yet."""
    who = signed_in(desk, "c1")
    chosen = [f"{case_of(desk, number).case_id}:0"]
    one, several = who.get(f"/households/{household(number)}/sheet.pdf"), who.post("/sheets", "/help", case=chosen)
    for answer in (one, several):
        text, _ = read(answer.content, tmp_path)
        for leak in LEAKS:
            assert leak not in text, leak
    if number == 0:
        desk.desk.act(a.Classify(by=VILLAGE, form=form("V1")), case_of(desk, 0).case_id, 1)
        text, _ = read(who.get(f"/households/{household(0)}/sheet.pdf").content, tmp_path)
        assert "27,130" in text, "once the visit is recorded, nothing is held back"


def test_an_old_case_is_no_way_to_a_score(desk: Office, tmp_path: Path) -> None:
    """A closed case of the same household is printed as the household is now, and nobody has seen a score by it."""
    old = case_of(desk, 0)
    made = desk.desk.act(a.Classify(by=VILLAGE, form=form("V3")), old.case_id, 1)
    desk.desk.act(a.Close(by=TOWN, reason="no_need"), old.case_id, made.version)
    later = date(2026, 3, 1) + timedelta(weeks=30)
    rows = {household(0): (VILLAGE_AREA, "risk", "red")}
    open_week(desk.desk, Rich(run_id="later", as_of=later, rows=rows))  # type: ignore[arg-type]
    new = case_of(desk, 0)
    assert new.case_id != old.case_id
    desk.desk.act(a.Assign(by=TOWN, to=VILLAGE), new.case_id, 0)
    desk.project.listing.presentation[TOWN_AREA] = "blind"
    try:
        text, _ = read(signed_in(desk, "t1").post("/sheets", "/help", case=[f"{old.case_id}:9"]).content, tmp_path)
    finally:
        desk.project.listing.presentation.clear()
    for leak in LEAKS:
        assert leak not in text, leak
    with desk.desk.database.reading() as session:
        seen = session.scalars(select(AuditRow.detail).where(AuditRow.kind == "view", AuditRow.account == "t1"))
        assert not [one for one in seen if '"score":true' in one]


def test_the_chosen_of_a_list_are_printed_together_and_each_is_written_down(desk: Office, tmp_path: Path) -> None:
    who = signed_in(desk, "c1")
    page = who.get("/weeks/2026-03-01").text
    assert 'formaction="/sheets" formnovalidate' in page
    chosen = re.findall(r'name="case" value="([0-9a-f]+:\d+)"', page)[:3]
    answer = who.post("/sheets", "/weeks/2026-03-01", case=chosen)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/pdf"
    text, sides = read(answer.content, tmp_path)
    assert sides == 6 and text.count("第1页，共2页") == text.count("第2页，共2页") == 3
    with desk.desk.database.reading() as session:
        lines = list(session.scalars(select(AuditRow).where(AuditRow.kind == "export")))
    assert len({line.subject for line in lines}) == len(lines) == 3
    none = who.post("/sheets", "/weeks/2026-03-01")
    assert none.status_code == 422 and "勾选了 0 户" in none.text
    elsewhere = signed_in(desk, "t1").post("/sheets", "/help", case=["f" * 24 + ":1"])
    assert elsewhere.status_code == 404


def test_sheets_are_for_visitors_of_the_area(desk: Office) -> None:
    for account, status in (("s1", 403), ("d1", 403), ("u1", 403), ("x1", 403)):
        assert signed_in(desk, account).get(f"/households/{household(0)}/sheet.pdf").status_code == status
    assert signed_in(desk, "v1").get(f"/households/{household(1)}/sheet").status_code == 200
    assert signed_in(desk, "c1").get(f"/households/{'f' * 24}/sheet.pdf").status_code == 403


def test_long_records_leave_room_for_what_is_asked_of_everybody(tmp_path: Path) -> None:
    long = "住院结算 自付 13,400 元，门诊结算 自付 2,100 元，药店结算 自付 600 元，救助待遇 未到账，" * 3
    for language in ("zh", "en"):
        assert read(to_pdf(made(blind=True, text=long), language=language), tmp_path)[1] == 2
