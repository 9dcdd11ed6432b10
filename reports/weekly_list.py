"""The list as it goes out: XLSX to fill in offline, CSV, and JSON. The same list gives the same bytes.

Two forms have the same answers. The *open* one, for those who plan visits, shows levels: risk rows and audit rows have
the same shape, and the lowest word covers everybody below orange, but where an area's visits all go to the highest
level, a low level lets one guess. The *blind* one, for those who visit, has no level and no change, is ordered by
pseudonym, and its days to visit are spread over audit rows as over the others: nothing in it lets one guess.

A cell that begins like a formula is written as text, in XLSX and in CSV.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from features.strict import Words
from reports.documents import LEVELS, ListRow, WeeklyList, catalogue, change_text, say, shown_level

FACTS = ("row_code", "number", "household", "area", "level", "change", "situation", "visit_by")
ANSWERS = ("finding_date", "method", "validity", "onset_date", "cause", "department", "remark")
VISIT = ("met", "met_2", "minutes")
VERDICT = "verdict_"
"""Columns of the families of reasons begin so."""
FINDING = (
    "cause_2", "cause_3", "depth", "evidence", "evidence_2", "evidence_3", "savings", "kin", "disposition", "need",
    "need_2", "need_3", "watch_date", "recheck_date",
)  # fmt: skip
"""The rest of the record of a visit; a field that may have several choices has several columns."""
NOT_ASKED = "—"
SCORED = ("level", "change")
"""Columns that say something of the score; the blind form has none of them."""
IDENTITY = ("name", "phone", "address")
WRAPPED = ("household", "area", "situation", "address")
TITLE_ROWS = 4
"""Title, note, hidden machine keys, header."""
WIDTHS: Mapping[str, float] = {
    "row_code": 10, "number": 5, "household": 15, "area": 13, "level": 10, "change": 8, "situation": 46, "visit_by": 11,
    "finding_date": 11, "method": 9, "validity": 19, "onset_date": 11, "cause": 12, "department": 13, "remark": 24,
    "name": 10, "phone": 13, "address": 22, "minutes": 8, "verdict": 10, "depth": 22, "evidence": 16, "disposition": 17,
}  # fmt: skip
OTHER_WIDTH = 13
BARS: Mapping[str, str] = {"red": "■■■", "orange": "■■□", "yellow": "■□□", "none": "■□□", "insufficient": "■□□"}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
STEP = 200
LONG = 1500
"""From so many rows on, rows are streamed to disk."""
VALIDITIES = tuple(f"V{number}" for number in range(1, 10))
CAUSES = tuple(f"C{number}" for number in range(1, 16))
METHODS = ("home", "phone", "records")
NO_REFERRAL = "none"


Progress = Callable[[int], None]
"""Told how many rows are written."""


@dataclass(frozen=True)
class Choices:
    """What may be chosen in an answer column: codes, and what people see."""

    codes: Mapping[str, tuple[str, ...]]
    shown: Mapping[str, tuple[str, ...]]


def choices(
    departments: Mapping[str, Words], language: str, record: Mapping[str, Mapping[str, Words]] | None = None
) -> Choices:
    """The options of the answer columns, by field.

    >>> choices({}, "zh").shown["validity"][0]
    'V1 确有困难'
    """
    codes = {
        "method": METHODS,
        "validity": VALIDITIES,
        "cause": CAUSES,
        "department": (NO_REFERRAL, *departments),
    }
    shown = {
        "method": tuple(say(f"method_{code}", language) for code in METHODS),
        "validity": tuple(f"{code} {say(f'validity_{code}', language)}" for code in VALIDITIES),
        "cause": tuple(f"{code} {say(f'cause_{code}', language)}" for code in CAUSES),
        "department": (say("no_referral", language), *(name.of(language) for name in departments.values())),
    }
    for field, offered in (record or {}).items():
        codes[field] = tuple(offered)
        shown[field] = tuple(
            f"{code} {text.of(language)}" if code[-1].isdigit() else text.of(language) for code, text in offered.items()
        )
    return Choices(codes, shown)


def field_of(column: str) -> str:
    """The field whose choices a column has.

    >>> field_of("cause_2"), field_of("verdict_assistance_gap"), field_of("finding_date")
    ('cause', 'verdict', 'finding_date')
    """
    if column.startswith(VERDICT):
        return "verdict"
    return column[:-2] if column.endswith(("_2", "_3")) else column


def label(column: str, language: str) -> str:
    """What stands above a column.

    >>> label("need_2", "zh"), label("verdict_income", "en")
    ('转办需求（2）', 'Holds: income')
    """
    if column.startswith(VERDICT):
        family = f"family_{column.removeprefix(VERDICT)}"
        known = say(family, language) if family in catalogue() else column.removeprefix(VERDICT)
        return say("column_verdict", language, family=known)
    key = f"column_{field_of(column)}"
    if key not in catalogue():
        return column  # somebody's own column
    name = say(key, language)
    if field_of(column) == column:
        return name
    return f"{name} ({column[-1]})" if language == "en" else f"{name}（{column[-1]}）"


def ordered(rows: Sequence[ListRow], *, blind: bool = False) -> list[ListRow]:
    """Areas, then levels as they are shown (not in the blind form), then pseudonyms: no order of risk."""
    if blind:
        return sorted(rows, key=lambda row: (row.area_code, row.household_id))
    place = {**{level: ix for ix, level in enumerate(LEVELS)}, "none": 2, "insufficient": 2}
    return sorted(rows, key=lambda row: (row.area_code, place[row.level], row.household_id))


def columns(made: WeeklyList, *, blind: bool = False) -> list[str]:
    """Machine keys of the columns in order; identity columns only where identities were revealed for this list."""
    revealed = [key for key in IDENTITY if any(key in row.identity for row in made.rows)]
    shown = [key for key in FACTS[3:] if not (blind and key in SCORED)]
    return [*FACTS[:3], *revealed, *shown, *ANSWERS, *further(made, blind=blind)]


def further(made: WeeklyList, *, blind: bool = False) -> list[str]:
    """Columns of the rest of the record; who visits first is asked for no verdict on reasons."""
    if not made.record:
        return []
    families = list(dict.fromkeys(family for row in made.rows for family in row.families))
    verdicts = [] if blind else [f"{VERDICT}{family}" for family in sorted(families)]
    return [*VISIT, *verdicts, *FINDING]


def is_answer(column: str) -> bool:
    """Whether people fill a column in."""
    return column in ANSWERS or column in VISIT or column in FINDING or column.startswith(VERDICT)


def facts(row: ListRow, number: int, language: str, *, blind: bool = False) -> dict[str, Any]:
    """The fact columns of a row."""
    return {
        "row_code": row.code,
        "number": number,
        "household": row.household_id,
        **{key: row.identity.get(key, "") for key in IDENTITY},
        "area": row.area.of(language),
        "level": f"{BARS[row.level]} {shown_level(row.level, language)}",
        "change": change_text(row.change, row.change_per_100, language),
        "situation": row.situation.of(language),
        "visit_by": row.visit_by_blind if blind else row.visit_by,
    }


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula.

    >>> guarded("=1+1"), guarded("住院 2 次")
    ("'=1+1", '住院 2 次')
    """
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


# --- XLSX ----------------------------------------------------------------------------------------------------------


def write_xlsx(
    made: WeeklyList, path: Path, language: str = "zh", *, blind: bool = False, progress: Progress | None = None
) -> None:
    """The list as a workbook: the list to fill in, notes, and the hidden options.

    Args:
        made: the list.
        path: the file.
        language: of every text.
        blind: the form for those who visit before a score is seen.
        progress: told rows as they are written.
    """
    import xlsxwriter

    streamed = len(made.rows) > LONG
    settings = {"constant_memory": streamed, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(str(path), settings)
    heading = made.heading
    created = datetime(heading.as_of.year, heading.as_of.month, heading.as_of.day, tzinfo=UTC).replace(tzinfo=None)
    title = say(
        "visits_title" if blind else "list_title", language, project=heading.project.of(language), period=heading.period
    )
    book.set_properties({"title": title, "created": created, "comments": f"run {heading.run_id}"})
    formats = _formats(book)
    sheet = book.add_worksheet(say("sheet_list", language))
    notes = book.add_worksheet(say("sheet_notes", language))
    hidden = book.add_worksheet(say("sheet_choices", language))
    _write_list(sheet, made, formats, title, language, blind=blind, progress=progress)
    _write_notes(notes, made, formats, language, blind=blind)
    _write_choices(hidden, choices(made.departments, language, made.record))
    hidden.hide()
    book.close()


def _formats(book: Any) -> dict[str, Any]:
    face = {"font_name": "宋体", "font_size": 10.5, "valign": "vcenter", "text_wrap": True}
    boxed = {**face, "border": 1, "border_color": "#B8C4CC"}
    answer = {**boxed, "bg_color": "#FFF8D6", "locked": False}
    made = {
        "title": {**face, "font_name": "黑体", "font_size": 16, "text_wrap": False},
        "note": {**face, "font_color": "#44545F", "text_wrap": False},
        "key": {"font_size": 8, "font_color": "#8A99A3"},
        "header": {
            **boxed, "font_name": "黑体", "bg_color": "#0D4F6B", "font_color": "#FFFFFF", "align": "center",
        },
        "header_answer": {
            **boxed, "font_name": "黑体", "bg_color": "#F2D675", "font_color": "#3A2E00", "align": "center",
        },
        "fact": boxed,
        "centre": {**boxed, "align": "center"},
        "date": {**boxed, "align": "center", "num_format": "yyyy-mm-dd"},
        "red": {**boxed, "align": "center", "bold": True, "font_color": "#8F1B12", "bg_color": "#FDECEB"},
        "orange": {**boxed, "align": "center", "bold": True, "font_color": "#8A3B05", "bg_color": "#FDF1E3"},
        "yellow": {**boxed, "align": "center", "bold": True, "font_color": "#5F4800", "bg_color": "#FBF6DC"},
        "answer": {**answer, "num_format": "@"},
        "answer_date": {**answer, "align": "center", "num_format": "yyyy-mm-dd"},
        "section": {**face, "font_name": "黑体", "font_size": 12, "bottom": 1, "bottom_color": "#0D4F6B"},
        "text": face,
        "warning": {**face, "bg_color": "#FFF1C9", "border": 1, "border_color": "#D9A400"},
    }  # fmt: skip
    return {name: book.add_format(options) for name, options in made.items()}


def _write_list(
    sheet: Any, made: WeeklyList, formats: Mapping[str, Any], title: str, language: str, *, blind: bool,
    progress: Progress | None,
) -> None:  # fmt: skip
    keys = columns(made, blind=blind)
    for at, key in enumerate(keys):
        sheet.set_column(at, at, WIDTHS.get(field_of(key), OTHER_WIDTH), None, {"hidden": key == "row_code"})
    heading = made.heading
    note = say(
        "list_note", language, day=heading.as_of, count=len(made.rows), run=heading.run_id, version=heading.version
    )
    if heading.stale:
        note += "　" + _stale(made, language)
    if heading.trial:
        note += "　" + say("trial_warning", language, version=heading.version)
    sheet.set_row(0, 26)
    sheet.write_string(0, 1, title, formats["title"])
    sheet.write_string(1, 1, note, formats["note"])
    sheet.set_row(2, None, None, {"hidden": True})
    for at, key in enumerate(keys):
        sheet.write_string(2, at, f"run:{heading.run_id}" if at == 0 else key, formats["key"])
    sheet.set_row(3, 30)
    for at, key in enumerate(keys):
        style = formats["header_answer" if is_answer(key) else "header"]
        sheet.write_string(3, at, label(key, language), style)
    for number, row in enumerate(ordered(made.rows, blind=blind), 1):
        values = facts(row, number, language, blind=blind)
        _write_row(sheet, TITLE_ROWS + number - 1, row, values, keys=keys, formats=formats)
        if progress is not None and number % STEP == 0:
            progress(number)
    _set_up(sheet, made, keys, language)


def _write_row(
    sheet: Any, at: int, row: ListRow, values: Mapping[str, Any], *, keys: Sequence[str], formats: Mapping[str, Any]
) -> None:
    wrapped = max(lines_of(str(values[key]), WIDTHS[key]) for key in keys if key in WRAPPED)
    sheet.set_row(at, max(24.0, 14.5 * wrapped + 3))
    for column, key in enumerate(keys):
        if key.startswith(VERDICT) and key.removeprefix(VERDICT) not in row.families:
            sheet.write_string(at, column, NOT_ASKED, formats["centre"])
        elif is_answer(key):
            sheet.write_blank(at, column, None, formats["answer_date" if key.endswith("_date") else "answer"])
        elif key == "number":
            sheet.write_number(at, column, values[key], formats["centre"])
        elif key == "visit_by":
            due = values[key]
            day = datetime(due.year, due.month, due.day, tzinfo=UTC).replace(tzinfo=None)
            sheet.write_datetime(at, column, day, formats["date"])
        elif key == "level":
            style = row.level if row.level in ("red", "orange") else "yellow"
            sheet.write_string(at, column, values[key], formats[style])
        else:
            style = "centre" if key == "change" else "fact"
            sheet.write_string(at, column, str(values[key]), formats[style])


def lines_of(text: str, width: float) -> int:
    """Lines that a text takes in a column of this width; a Chinese character is two wide.

    >>> lines_of("近三个月医疗自付", 8), lines_of("8f3c21d09ab4", 15)
    (3, 1)
    """
    wide = sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)
    return max(1, math.ceil(wide / (width - 0.5)))


def _set_up(sheet: Any, made: WeeklyList, keys: Sequence[str], language: str) -> None:
    """Freezing, filter, protection, validation and print of the list; paper for the whole record is the visit sheet."""
    from xlsxwriter.utility import xl_col_to_name

    last = TITLE_ROWS + max(len(made.rows), 1) - 1
    sheet.freeze_panes(TITLE_ROWS, keys.index("household") + 1)
    sheet.autofilter(3, 0, last, len(keys) - 1)
    sheet.protect(
        "",
        {"autofilter": True, "sort": False, "format_columns": True, "format_rows": True, "select_locked_cells": True},
    )
    offered = choices(made.departments, language, made.record)
    places = {field: xl_col_to_name(at) for at, field in enumerate(offered.shown)}
    day = made.heading.as_of
    earliest = datetime(day.year, day.month, day.day, tzinfo=UTC).replace(tzinfo=None)
    sheet_name = say("sheet_choices", language)
    rule: dict[str, Any]
    for at, key in enumerate(keys):
        field = field_of(key)
        if field in offered.shown:
            letter = places[field]
            rule = {
                "validate": "list",
                "source": f"='{sheet_name}'!${letter}$2:${letter}${len(offered.shown[field]) + 1}",
            }
            message = say("help_department" if key == "department" else "help_choice", language)
        elif key == "finding_date":
            rule = {"validate": "date", "criteria": ">=", "value": earliest}
            message = say("help_finding_date", language, day=day)
        elif key == "onset_date":
            rule = {"validate": "date", "criteria": ">=", "value": datetime(1990, 1, 1)}  # noqa: DTZ001 -- a cell
            message = say("help_onset_date", language)
        elif key in ("watch_date", "recheck_date"):
            rule = {"validate": "date", "criteria": ">", "value": earliest}
            message = say(f"help_{key}", language)
        elif key == "minutes":
            rule = {"validate": "integer", "criteria": ">", "value": 0}
            message = say("help_minutes", language)
        else:
            continue
        head = label(key, language)[:32]  # a spreadsheet takes no more
        sheet.data_validation(
            TITLE_ROWS, at, last, at, {**rule, "input_title": head, "input_message": message, "error_message": message}
        )
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(3)
    sheet.print_area(0, 0, last, keys.index(ANSWERS[-1]))
    sheet.set_footer(f"&L{made.heading.run_id}&C{say('page', language)}&R{made.heading.as_of}")


def _write_choices(sheet: Any, offered: Choices) -> None:
    for at, (key, shown) in enumerate(offered.shown.items()):
        sheet.set_column(at, at, 26)
        sheet.write_string(0, at, key)
        for row, text in enumerate(shown, 1):
            sheet.write_string(row, at, text)


def _write_notes(sheet: Any, made: WeeklyList, formats: Mapping[str, Any], language: str, *, blind: bool) -> None:
    """How to read and fill in, where the list comes from, the state of feeds, each area's account."""
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 4, 22)
    row = 0

    def put(text: str, style: str, height: float | None = None) -> None:
        nonlocal row
        sheet.merge_range(row, 0, row, 4, text, formats[style])
        if height:
            sheet.set_row(row, height)
        row += 1

    def table(lines: Sequence[Sequence[str]], *, header: bool = True) -> None:
        nonlocal row
        for ix, line in enumerate(lines):
            if header and ix == 0:
                sheet.set_row(row, 30)
            for at, text in enumerate(line):
                sheet.write_string(row, at, text, formats["header" if header and ix == 0 else "fact"])
            row += 1
        row += 1

    heading = made.heading
    put(say("notes_title", language), "title", 26)
    if heading.stale:
        put(_stale(made, language), "warning", 34)
    if heading.trial:
        put(say("trial_warning", language, version=heading.version), "warning", 34)
    put(say("notes_reminder", language), "text", 34)
    bands = {level: round(100 * value) for level, value in made.bands.items()}
    put(say("notes_blind" if blind else "notes_levels", language, **({} if blind else bands)), "text", 50)
    put(say("notes_fill", language), "text", 34)
    put(say("notes_codes", language), "section", 22)
    table([[code, say(f"validity_{code}", language)] for code in VALIDITIES], header=False)
    put(say("notes_run", language), "section", 22)
    table(
        [
            [say("label_run", language), heading.run_id],
            [say("label_version", language), heading.version],
            [say("label_bundle", language), heading.bundle[:12]],
            [say("label_task", language), heading.task_title.of(language)],
            [say("label_day", language), str(heading.as_of)],
            [say("label_store", language), str(heading.store_version)],
        ],
        header=False,
    )
    put(say("notes_feeds", language), "section", 22)
    table([_feed_header(language), *_feed_lines(made, language)])
    if blind:
        _close_notes(sheet)
        return
    put(say("notes_areas", language), "section", 22)
    labels = ("label_area", "label_capacity", "label_listed", "label_left_out")
    table([[say(key, language) for key in labels], *_area_lines(made, language)])
    _close_notes(sheet)


def _close_notes(sheet: Any) -> None:
    sheet.protect()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)


def _stale(made: WeeklyList, language: str) -> str:
    names = "、" if language == "zh" else ", "
    return say("list_stale", language, feeds=names.join(feed.name.of(language) for feed in made.heading.troubled))


def _feed_header(language: str) -> list[str]:
    labels = ("label_feed", "label_department", "label_status", "label_newest", "label_age")
    return [say(key, language) for key in labels]


def _feed_lines(made: WeeklyList, language: str) -> list[list[str]]:
    return [
        [
            feed.name.of(language),
            feed.department.of(language),
            say(f"status_{feed.status}", language),
            feed.newest or "—",
            "—" if feed.age_days is None else say("age_days", language, days=feed.age_days),
        ]
        for feed in made.heading.feeds
    ]


def _area_lines(made: WeeklyList, language: str) -> list[list[str]]:
    return [
        [
            area.name.of(language),
            str(area.capacity),
            str(area.listed),
            " / ".join(str(area.left_out.get(level, 0)) for level in ("red", "orange", "yellow")),
        ]
        for area in made.areas
    ]


# --- CSV and JSON --------------------------------------------------------------------------------------------------


def to_csv(made: WeeklyList, language: str = "zh") -> bytes:
    """The list as CSV with a byte order mark; every row says its run, version and as-of day."""
    keys = [key for key in columns(made) if not is_answer(key)]
    heading = made.heading
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    labels = [say(f"column_{key}", language) for key in keys]
    writer.writerow([*labels, *(say(key, language) for key in ("label_run", "label_version", "label_day"))])
    for number, row in enumerate(ordered(made.rows), 1):
        values = facts(row, number, language)
        line = [guarded(str(values[key])) for key in keys]
        writer.writerow([*line, heading.run_id, guarded(heading.version), str(heading.as_of)])
    return out.getvalue().encode("utf-8-sig")


def to_json(made: WeeklyList, rows: Mapping[str, Mapping[str, Any]] | None = None) -> bytes:
    """The list for machines; `rows` adds further fields to households (numbers and reasons for those who may see them).

    Nothing in it says which rows were drawn at random.
    """
    heading = made.heading
    content = {
        "run_id": heading.run_id,
        "version": heading.version,
        "bundle": heading.bundle,
        "as_of": str(heading.as_of),
        "period": heading.period,
        "task": heading.task,
        "stale": heading.stale,
        "trial": heading.trial,
        "feeds": {
            feed.feed: {"status": feed.status, "newest": feed.newest, "age_days": feed.age_days}
            for feed in heading.feeds
        },
        "areas": [
            {"area": area.name.zh, "capacity": area.capacity, "listed": area.listed, "left_out": dict(area.left_out)}
            for area in made.areas
        ],
        "households": [
            {
                "row_code": row.code,
                "household_id": row.household_id,
                "area_code": row.area_code,
                "change": row.change,
                "change_per_100": row.change_per_100,
                "situation": {"zh": row.situation.zh, "en": row.situation.en},
                "visit_by": str(row.visit_by),
                **(rows or {}).get(row.household_id, {}),
            }
            for row in ordered(made.rows)
        ],
    }
    return (json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()
