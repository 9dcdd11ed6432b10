"""A filled list read back: each row is accepted with its finding, or rejected with the reason, never half of it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from features.errors import DataError, UsageError
from features.project import Project
from reports.documents import say
from reports.weekly_list import ANSWERS, NO_REFERRAL, choices

REFERRED = frozenset({"V1", "V2"})
LARGEST_BYTES = 50_000_000


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
    """A row that was sent back: its line, why (a code of the words of documents), and its cells as they were."""

    line: int
    reason: str
    column: str
    cells: Mapping[str, str]

    def sentence(self, language: str) -> str:
        """Why, for the person who filled it in."""
        return say(f"rejected_{self.reason}", language, column=say(f"column_{self.column}", language))


@dataclass(frozen=True)
class Filled:
    """A list that came back."""

    run_id: str
    accepted: tuple[FilledRow, ...]
    rejected: tuple[Rejected, ...]
    empty: int
    columns: tuple[str, ...]


class _Refused(Exception):  # noqa: N818 -- a row sent back, not a fault of ours
    """One row cannot be taken."""

    def __init__(self, reason: str, column: str) -> None:
        super().__init__(reason)
        self.reason, self.column = reason, column


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
    if not file.is_file():
        raise UsageError("list_file_missing", file=file.name)
    rows = _rows(file)
    keys = [str(cell or "") for cell in rows[2]] if len(rows) > 2 else []
    if not keys or not keys[0].startswith("run:") or not set(ANSWERS) <= set(keys):
        raise DataError("list_not_ours", file=file.name)
    run_id = keys[0].removeprefix("run:")
    keys[0] = "row_code"
    known = listed(run_id)
    if known is None:
        raise DataError("list_run_unknown", run=re.sub(r"[^0-9a-z]", "", run_id)[:12])
    accepted: list[FilledRow] = []
    rejected: list[Rejected] = []
    seen: set[str] = set()
    empty = 0
    for line, row in enumerate(rows[4:], 5):
        cells = dict(zip(keys, row, strict=False))
        if all(_text(cells.get(key)) == "" for key in ANSWERS):
            empty += any(_text(value) for value in cells.values())
            continue
        try:
            found = _row(line, cells, run_id, project, code, known, today)
            if found.household_id in seen:
                raise _Refused("twice", "household")  # noqa: TRY301 -- one place where rows are sent back
            seen.add(found.household_id)
            accepted.append(found)
        except _Refused as refused:
            shown = {key: _text(cells.get(key)) for key in keys}
            rejected.append(Rejected(line, refused.reason, refused.column, shown))
    if not accepted and not rejected:
        raise UsageError("list_nothing_filled", file=file.name)
    return Filled(run_id, tuple(accepted), tuple(rejected), empty, tuple(keys))


def _rows(file: Path) -> list[tuple[Any, ...]]:
    """Cells of the first sheet."""
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(file) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST_BYTES:
                raise DataError("list_file_unreadable", file=file.name)
        book = load_workbook(file, read_only=True, data_only=True)
        try:
            return [tuple(row) for row in book.worksheets[0].iter_rows(values_only=True)]
        finally:
            book.close()
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError, IndexError, EOFError) as error:
        raise DataError("list_file_unreadable", file=file.name) from error


def _text(value: Any) -> str:
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
    household = _text(cells.get("household"))
    if household not in known or _text(cells.get("row_code")) != code(run_id, household):
        raise _Refused("altered", "household")
    found_on = _day(cells.get("finding_date"), "finding_date")
    if found_on is None:
        raise _Refused("missing", "finding_date")
    if found_on < known[household]:
        raise _Refused("early", "finding_date")
    if found_on > today:
        raise _Refused("future", "finding_date")
    validity = _choice(cells, "validity", project)
    method = _choice(cells, "method", project)
    if validity is None or method is None:
        raise _Refused("missing", "validity" if validity is None else "method")
    onset = _day(cells.get("onset_date"), "onset_date")
    if onset is not None and onset > found_on:
        raise _Refused("onset_late", "onset_date")
    department = _choice(cells, "department", project)
    if department is None and validity in REFERRED:
        raise _Refused("missing", "department")
    return FilledRow(
        line=line,
        household_id=household,
        found_on=found_on,
        method=method,
        validity=validity,
        onset=onset,
        cause=_choice(cells, "cause", project),
        department=None if department == NO_REFERRAL else department,
        remark=_text(cells.get("remark"))[:2000],
    )


def _choice(cells: Mapping[str, Any], column: str, project: Project) -> str | None:
    """The code behind what was chosen, in either language, or typed as the bare code."""
    text = _text(cells.get(column))
    if not text:
        return None
    departments = {key: department.name for key, department in project.departments.items()}
    for language in ("zh", "en"):
        offered = choices(departments, language)
        for code, shown in zip(offered.codes[column], offered.shown[column], strict=True):
            if text in (shown, code):
                return code
    raise _Refused("option", column)


def _day(value: Any, column: str) -> date | None:
    """A day from a date cell or from text as people write it."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = _text(value)
    if not text:
        return None
    match = re.fullmatch(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?", text)
    try:
        if match:
            return date(*(int(part) for part in match.groups()))
    except ValueError as error:
        raise _Refused("date", column) from error
    raise _Refused("date", column)


def write_rejected(filled: Filled, path: Path, language: str = "zh") -> None:
    """The rejected rows as a workbook: line, why, and the cells as they were."""
    import xlsxwriter

    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"created": datetime(2000, 1, 1)})  # noqa: DTZ001 -- the same bytes for the same rows
    sheet = book.add_worksheet(say("sheet_errors", language))
    bold = book.add_format({"bold": True, "text_wrap": True, "bg_color": "#F2D675"})
    keys = [key for key in filled.columns if key != "row_code"]
    for at, key in enumerate(("line", "reason", *keys)):
        sheet.write_string(0, at, say(f"column_{key}", language), bold)
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
