"""A filled list read back: each row is accepted with its finding, or rejected with the reason, never half of it."""

from __future__ import annotations

import itertools
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from features.errors import DataError, UsageError
from features.feeds.workbooks import refuse_hostile
from features.project import Project
from features.strict import Words
from reports.documents import say
from reports.weekly_list import (
    ANSWERS,
    NO_REFERRAL,
    NOT_ASKED,
    SCORED,
    TITLE_ROWS,
    choices,
    field_of,
    is_answer,
    label,
)

REFERRED = frozenset({"V1", "V2"})
LARGEST_BYTES = 50_000_000
MOST_ROWS, MOST_COLUMNS = 200_000, 120


@dataclass(frozen=True)
class FilledRow:
    """A finding as it was written into the list."""

    line: int
    household_id: str
    found_on: date
    method: str
    validity: str
    onset: date | None
    cause: str | None
    department: str | None
    remark: str


@dataclass(frozen=True)
class Rejected:
    """A row that was sent back: its line, why (a code of the words of documents), and its cells as they were.

    `said` has several reasons in words, each with its column; they stand in place of the one code.
    """

    line: int
    reason: str
    column: str
    cells: Mapping[str, str]
    said: tuple[tuple[str, Words], ...] = ()

    def sentence(self, language: str) -> str:
        """Why, for the person who filled it in."""
        if self.said:
            return " ".join(text.of(language) for _, text in self.said)
        return say(f"rejected_{self.reason}", language, column=label(self.column, language))


@dataclass(frozen=True)
class Filled:
    """A list that came back."""

    run_id: str
    accepted: tuple[FilledRow, ...]
    rejected: tuple[Rejected, ...]
    empty: int
    columns: tuple[str, ...]


class RowRefused(Exception):  # noqa: N818 -- a row sent back, not a fault of ours
    """One row cannot be taken."""

    def __init__(self, reason: str, column: str) -> None:
        super().__init__(reason)
        self.reason, self.column = reason, column


@dataclass(frozen=True)
class Formula:
    """A cell that holds a formula; what it comes to is not believed."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class FilledSheet:
    """A list as it came back, before any row is judged.

    Attributes:
        lines: rows in which something was filled in, by their number in the file.
        empty: rows in which nothing was.
    """

    run_id: str
    columns: tuple[str, ...]
    lines: tuple[tuple[int, Mapping[str, Any]], ...]
    empty: int

    @property
    def blind(self) -> bool:
        """Whether it is the form of those who visit before a score is seen."""
        return not set(SCORED) & set(self.columns)


def read_sheet(file: Path, *, called: str = "") -> FilledSheet:
    """Read the cells of a list.

    Args:
        file: the XLSX.
        called: its name for people, where the file bears another.

    Raises:
        UsageError: the file is missing, or nothing is filled in.
        DataError: it is no workbook that may be opened, or none of our lists.
    """
    name = called or file.name
    if not file.is_file():
        raise UsageError("list_file_missing", file=name)
    rows = _rows(file, name)
    keys = [str(cell or "") for cell in rows[2]] if len(rows) > 2 else []
    if not keys or not keys[0].startswith("run:") or not set(ANSWERS) <= set(keys):
        raise DataError("list_not_ours", file=name)
    run_id = keys[0].removeprefix("run:")
    keys[0] = "row_code"
    lines, empty = [], 0
    for line, row in enumerate(rows[TITLE_ROWS:], TITLE_ROWS + 1):
        cells = dict(zip(keys, row, strict=False))
        if all(text_of(cells.get(key)) in ("", NOT_ASKED) for key in keys if is_answer(key)):
            empty += any(text_of(value) for value in cells.values())
            continue
        lines.append((line, cells))
    if not lines:
        raise UsageError("list_nothing_filled", file=name)
    return FilledSheet(run_id, tuple(keys), tuple(lines), empty)


def read_filled_list(
    file: Path,
    project: Project,
    *,
    code: Callable[[str, str], str],
    listed: Callable[[str], Mapping[str, date] | None],
    today: date,
) -> Filled:
    """Read a filled list.

    Args:
        file: the XLSX as it came back.
        project: names the departments that may be chosen.
        code: (run id, household) → the row code that this list had.
        listed: run id → households of that run's list and its as-of day; None for a run that is not known.
        today: no finding may be later.

    Raises:
        UsageError: the file is missing, or nothing is filled in.
        DataError: it is not a workbook, not one of our lists, or of a run that is not known here.
    """
    sheet = read_sheet(file)
    known = listed(sheet.run_id)
    if known is None:
        raise DataError("list_run_unknown", run=shown_run(sheet.run_id))
    accepted: list[FilledRow] = []
    rejected: list[Rejected] = []
    seen: set[str] = set()
    for line, cells in sheet.lines:
        try:
            found = _row(line, cells, sheet.run_id, project, code, known, today)
            if found.household_id in seen:
                raise RowRefused("twice", "household")  # noqa: TRY301 -- one place where rows are sent back
            seen.add(found.household_id)
            accepted.append(found)
        except RowRefused as refused:
            shown = {key: text_of(cells.get(key)) for key in sheet.columns}
            rejected.append(Rejected(line, refused.reason, refused.column, shown))
    return Filled(sheet.run_id, tuple(accepted), tuple(rejected), sheet.empty, sheet.columns)


def shown_run(run_id: str) -> str:
    """A run's id as it may be repeated to people.

    >>> shown_run("3f9a<b>")
    '3f9ab'
    """
    return re.sub(r"[^0-9a-z]", "", run_id)[:12]


def _rows(file: Path, name: str) -> list[list[Any]]:
    """Cells of the first sheet; whatever goes wrong in a workbook is the workbook's fault."""
    from openpyxl import load_workbook

    try:
        _look_inside(file)
        with file.open("rb") as stream:  # a workbook that cannot be read would keep its file open
            book = load_workbook(stream, read_only=True, data_only=False)
            found = itertools.islice(book.worksheets[0].iter_rows(max_col=MOST_COLUMNS), MOST_ROWS)
            return [[_value(cell) for cell in row] for row in found]
    except Exception as error:
        raise DataError("list_file_unreadable", file=name) from error


def _look_inside(file: Path) -> None:
    """Refuse an archive before anything in it is unpacked."""
    refuse_hostile(file)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    if sum(entry.file_size for entry in members) > LARGEST_BYTES or any(_strange(one) for one in members):
        raise DataError("list_file_unreadable", file=file.name)


def _strange(member: zipfile.ZipInfo) -> bool:
    """What no list of ours holds: macros, and names that point out of the archive."""
    parts = member.filename.replace("\\", "/").split("/")
    return member.filename.startswith("/") or ".." in parts or parts[-1].lower().startswith("vbaproject")


def _value(cell: Any) -> Any:
    return Formula(str(cell.value)) if getattr(cell, "data_type", "n") == "f" else cell.value


def text_of(value: Any) -> str:
    """A cell as text."""
    return "" if value is None else str(value).strip()


def _row(
    line: int,
    cells: Mapping[str, Any],
    run_id: str,
    project: Project,
    code: Callable[[str, str], str],
    known: Mapping[str, date],
    today: date,
) -> FilledRow:
    refuse_formulas(cells)
    household = text_of(cells.get("household"))
    if household not in known or text_of(cells.get("row_code")) != code(run_id, household):
        raise RowRefused("altered", "household")
    found_on = day_of(cells.get("finding_date"), "finding_date")
    if found_on is None:
        raise RowRefused("missing", "finding_date")
    if found_on < known[household]:
        raise RowRefused("early", "finding_date")
    if found_on > today:
        raise RowRefused("future", "finding_date")
    validity = choice(cells, "validity", project)
    method = choice(cells, "method", project)
    if validity is None or method is None:
        raise RowRefused("missing", "validity" if validity is None else "method")
    onset = day_of(cells.get("onset_date"), "onset_date")
    if onset is not None and onset > found_on:
        raise RowRefused("onset_late", "onset_date")
    department = choice(cells, "department", project)
    if department is None and validity in REFERRED:
        raise RowRefused("missing", "department")
    return FilledRow(
        line=line,
        household_id=household,
        found_on=found_on,
        method=method,
        validity=validity,
        onset=onset,
        cause=choice(cells, "cause", project),
        department=None if department == NO_REFERRAL else department,
        remark=text_of(cells.get("remark"))[:2000],
    )


def refuse_formulas(cells: Mapping[str, Any]) -> None:
    """Send a row back whose answers, code or household are computed."""
    for column, value in cells.items():
        if isinstance(value, Formula) and (is_answer(column) or column in ("row_code", "household")):
            raise RowRefused("formula", column)


def choice(
    cells: Mapping[str, Any], column: str, project: Project, record: Mapping[str, Mapping[str, Words]] | None = None
) -> str | None:
    """The code behind what was chosen, in either language, or typed as the bare code."""
    text = text_of(cells.get(column))
    if not text or text == NOT_ASKED:
        return None
    field = field_of(column)
    departments = {key: department.name for key, department in project.departments.items()}
    for language in ("zh", "en"):
        offered = choices(departments, language, record)
        for code, shown in zip(offered.codes[field], offered.shown[field], strict=True):
            if text in (shown, code):
                return code
    raise RowRefused("option", column)


def day_of(value: Any, column: str) -> date | None:
    """A day from a date cell or from text as people write it."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = text_of(value)
    if not text:
        return None
    match = re.fullmatch(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?", text)
    try:
        if match:
            return date(*(int(part) for part in match.groups()))
    except ValueError as error:
        raise RowRefused("date", column) from error
    raise RowRefused("date", column)


def write_rejected(filled: Filled, path: Path, language: str = "zh") -> None:
    """The rejected rows as a workbook: line, why, and the cells as they were."""
    import xlsxwriter

    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"created": datetime(2000, 1, 1)})  # noqa: DTZ001 -- the same bytes for the same rows
    sheet = book.add_worksheet(say("sheet_errors", language))
    bold = book.add_format({"bold": True, "text_wrap": True, "bg_color": "#F2D675"})
    keys = [key for key in filled.columns if key != "row_code"]
    for at, key in enumerate(("line", "reason", *keys)):
        sheet.write_string(0, at, label(key, language), bold)
    sheet.set_column(0, 0, 7)
    sheet.set_column(1, 1, 52)
    sheet.set_column(2, len(keys) + 1, 16)
    sheet.freeze_panes(1, 2)
    for at, row in enumerate(filled.rejected, 1):
        sheet.write_number(at, 0, row.line)
        sheet.write_string(at, 1, row.sentence(language))
        for column, key in enumerate(keys, 2):
            sheet.write_string(at, column, row.cells.get(key, ""))
    book.close()
