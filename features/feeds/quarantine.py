"""The quarantine: rejected rows and files with their original text, encrypted, until somebody repairs them.

One folder per delivery, committed together with the delivery's manifest, which names it. What is exported has the
department's own headings, so that a repaired file can be sent again as it is.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptography.fernet import InvalidToken

from features.errors import DependencyError
from features.feeds.validation import rules
from features.staging import staged_folder, write_atomically

REASON = ("行号 line", "列 column", "原因 reason", "怎么改 repair")
ENTRIES = "rows.enc"
ORIGINAL = "file.enc"
ABOUT = "about.json"


class Cipher(Protocol):
    """What encrypts and decrypts; the vault's cipher."""

    def encrypt(self, msg: bytes) -> bytes:
        """Encrypt bytes."""

    def decrypt(self, msg: bytes) -> bytes:
        """Decrypt bytes."""


@dataclass(frozen=True)
class Entry:
    """One rejected row."""

    delivery_id: str
    feed: str
    file: str
    line: int
    column: str
    rule: str
    original: Mapping[str, str | None]


class Quarantine:
    """The rejected rows of one project."""

    def __init__(self, folder: Path, cipher: Cipher) -> None:
        self.folder = folder
        self._cipher = cipher

    def put(
        self, delivery_id: str, feed: str, file: str, headings: Sequence[str], rows: Sequence[tuple[int, str, str, str]]
    ) -> str:
        """Keep rows of (line, column, rule, original as JSON); returns the folder's name."""
        name = delivery_id
        about = {"delivery_id": delivery_id, "feed": feed, "file": file, "headings": list(headings), "rows": len(rows)}
        content = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        with staged_folder(self.folder / name) as staged:
            (staged / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
            (staged / ENTRIES).write_bytes(self._cipher.encrypt(content.encode()))
            (staged / ENTRIES).chmod(0o600)
        return name

    def put_file(self, delivery_id: str, feed: str, source: Path, rule: str) -> str:
        """Keep a whole file that could not be read."""
        about = {"delivery_id": delivery_id, "feed": feed, "file": source.name, "rule": rule, "rows": 0}
        with staged_folder(self.folder / delivery_id) as staged:
            (staged / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
            (staged / ORIGINAL).write_bytes(self._cipher.encrypt(source.read_bytes()))
            (staged / ORIGINAL).chmod(0o600)
        return delivery_id

    def keep_only(self, named: set[str]) -> None:
        """Remove folders of deliveries that were never committed."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.is_dir() and path.name not in named and (path / ENTRIES).exists():
                    shutil.rmtree(path)

    def remove(self, delivery_id: str) -> None:
        """Forget a delivery's rejected rows, when they were repaired."""
        shutil.rmtree(self.folder / delivery_id, ignore_errors=True)

    def entries(self, *, feed: str | None = None) -> Iterator[Entry]:
        """All rejected rows, oldest delivery first."""
        for path, about in self._folders(feed):
            if not (path / ENTRIES).exists():
                continue
            for text in self._decrypted(path / ENTRIES).decode().splitlines():
                line, column, rule, original = json.loads(text)
                yield Entry(
                    about["delivery_id"], about["feed"], about["file"], line, column, rule, json.loads(original)
                )

    def headings(self, delivery_id: str) -> list[str]:
        """The delivery's own headings."""
        about = json.loads((self.folder / delivery_id / ABOUT).read_text(encoding="utf-8"))
        found: list[str] = about.get("headings", [])
        return found

    def rows(self, *, feed: str | None = None) -> list[dict[str, Any]]:
        """For people and machines: where, which rule, how to repair; without the original text."""
        found = []
        for path, about in self._folders(feed):
            if (path / ORIGINAL).exists():
                place = {"delivery_id": about["delivery_id"], "feed": about["feed"], "file": about["file"]}
                words = {"line": 0, "column": "", "rule": about["rule"]}
                found.append({**place, **words, **_sentences("file_unreadable")})
        for entry in self.entries(feed=feed):
            place = {"delivery_id": entry.delivery_id, "feed": entry.feed, "file": entry.file, "line": entry.line}
            found.append({**place, "column": entry.column, "rule": entry.rule, **_sentences(entry.rule)})
        return found

    def export(self, out: Path, *, feed: str | None = None, language: str = "zh") -> int:
        """Write rejected rows with their original columns and the reason beside them; CSV or XLSX by the ending."""
        entries = list(self.entries(feed=feed))
        headings = list(dict.fromkeys(name for entry in entries for name in entry.original))
        rows = [[*REASON, *headings]]
        for entry in entries:
            words = rules()[entry.rule]
            reason = [str(entry.line), entry.column, words["says"].of(language), words["repair"].of(language)]
            rows.append([*reason, *(entry.original.get(name) or "" for name in headings)])
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix.lower() == ".xlsx":
            _write_xlsx(out, rows)
        else:
            with out.open("w", encoding="utf-8-sig", newline="") as file:
                csv.writer(file).writerows([[_harmless(cell) for cell in row] for row in rows])
        out.chmod(0o600)
        return len(entries)

    def rotate(self) -> None:
        """Encrypt everything anew with the newest key."""
        for path, _ in self._folders(None):
            for name in (ENTRIES, ORIGINAL):
                if (path / name).exists():
                    write_atomically(path / name, self._cipher.encrypt(self._decrypted(path / name)))
                    (path / name).chmod(0o600)

    def _folders(self, feed: str | None) -> Iterator[tuple[Path, dict[str, Any]]]:
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.iterdir()):
            if (path / ABOUT).exists():
                about = json.loads((path / ABOUT).read_text(encoding="utf-8"))
                if feed is None or about["feed"] == feed:
                    yield path, about

    def _decrypted(self, path: Path) -> bytes:
        try:
            return self._cipher.decrypt(path.read_bytes())
        except InvalidToken as error:
            raise DependencyError("vault_locked") from error


def _sentences(rule: str) -> dict[str, str]:
    words = rules()[rule]
    return {
        "reason_zh": words["says"].zh,
        "reason_en": words["says"].en,
        "repair_zh": words["repair"].zh,
        "repair_en": words["repair"].en,
    }


def _harmless(cell: str) -> str:
    """A spreadsheet must not read a cell as a formula."""
    return "'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not _plain_number(cell) else cell


def _plain_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _write_xlsx(out: Path, rows: list[list[str]]) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(str(out), {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet("退回的行")
        bold = book.add_format({"bold": True})
        for at, row in enumerate(rows):
            sheet.write_row(at, 0, row, bold if at == 0 else None)
        sheet.freeze_panes(1, len(REASON))
