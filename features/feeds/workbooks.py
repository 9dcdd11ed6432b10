"""Reading XLSX: opened only after its unpacked size was looked at; formulas are refused, not believed."""

from __future__ import annotations

import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

from features.errors import DataError
from features.feeds.headings import Rows, broken_row, named
from features.feeds.profiles import Profile, Source

MOST_UNPACKED = 1_000_000_000
MOST_SHARED_TEXT = 150_000_000  # the one part that is held in memory whole
MOST_RATIO = 250
SMALL = 20_000_000
MOST_COLUMNS = 2_000
EXACT = 10**15


def xlsx_rows(path: Path, source: Source, profile: Profile) -> tuple[list[str], Rows]:
    """Headings and rows of one sheet.

    Raises:
        DataError: a zip bomb, not a workbook, no such sheet, or no header.
    """
    import openpyxl

    refuse_bomb(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=False)
        sheet = book[source.sheet] if source.sheet else book.worksheets[0]
        width = sheet.max_column or 0
        cells = sheet.iter_rows(min_row=source.header_row)
        header = [cell_text(cell.value) for cell in next(cells, ())] if width <= MOST_COLUMNS else []
    except KeyError as error:
        raise DataError("sheet_missing", file=path.name, sheet=source.sheet) from error
    except Exception as error:
        raise DataError("delivery_unreadable", file=path.name, kind="XLSX") from error
    if width > MOST_COLUMNS:
        raise DataError("sheet_too_wide", file=path.name, columns=width)
    headings = named(header, profile, path.name)
    return headings, _rows(cells, headings, source.header_row, path)


def _rows(cells: Any, headings: list[str], header_row: int, path: Path) -> Rows:
    try:
        for line, row in enumerate(cells, header_row + 1):
            values = [cell_text(cell.value) for cell in row]
            if all(value is None for value in values):
                continue
            rule = _fault(row, values, len(headings))
            if rule:
                more = {f"（多出的第{at}列）": cell for at, cell in enumerate(values[len(headings) :], 1) if cell}
                yield broken_row(line, rule, dict(zip(headings, values, strict=False)) | more)
            else:
                yield line, [*values[: len(headings)], *[None] * (len(headings) - len(values))]
    except Exception as error:
        raise DataError("delivery_unreadable", file=path.name, kind="XLSX") from error


def _fault(row: Any, values: list[str | None], width: int) -> str | None:
    if any(getattr(cell, "data_type", "n") == "f" for cell in row):
        return "formula_cell"
    if any(getattr(cell, "data_type", "n") == "e" for cell in row):
        return "error_cell"
    if any(value is not None for value in values[width:]):
        return "ragged_line"
    if any(_rounded(cell.value) for cell in row):
        return "digits_lost"
    return None


def _rounded(value: Any) -> bool:
    """Whether a spreadsheet has rounded a long number: it keeps 15 digits of an identity number's 18."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= EXACT


def cell_text(value: Any) -> str | None:
    """A cell as a person would write it: whole numbers without a point, days as ISO."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def refuse_bomb(path: Path) -> None:
    """Look at the unpacked size before anything is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        raise DataError("delivery_unreadable", file=path.name, kind="XLSX") from error
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members) or 1
    shared = sum(member.file_size for member in members if "sharedstrings" in member.filename.lower())
    dense = unpacked > SMALL and unpacked / packed > MOST_RATIO
    if unpacked > MOST_UNPACKED or shared > MOST_SHARED_TEXT or dense:
        raise DataError("archive_bomb", file=path.name, megabytes=unpacked // 1_000_000)
