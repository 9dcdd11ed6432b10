"""The quarantine: rejected rows and files with their original text, encrypted, until somebody repairs them.

One folder per delivery, committed together with the delivery's manifest, which names it. What is exported has the
department's own headings, so that a repaired file can be sent again as it is.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from cryptography.fernet import InvalidToken

from features.errors import DependencyError
from features.feeds.validation import rules
from features.staging import staged_folder, write_atomically

REASON = ("行号 line", "列 column", "原因 reason", "怎么改 repair")
ENTRIES = "rows.enc"
ORIGINAL = "file.enc"
ABOUT = "about.json"
WHOLE_LINE = "整行 whole line"
CHUNK = 2000
BLOCK = 1 << 23


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
    reasons: tuple[tuple[str, str], ...] = ()
    """All (column, rule) of the row, the decisive one first."""


class Quarantine:
    """The rejected rows of one project."""

    def __init__(self, folder: Path, cipher: Cipher) -> None:
        self.folder = folder
        self._cipher = cipher

    def put(
        self,
        delivery_id: str,
        feed: str,
        file: str,
        headings: Sequence[str],
        rows: Iterable[Sequence[Any]],
    ) -> str:
        """Keep rows of (line, column, rule, original as JSON[, all reasons as JSON]); returns the folder's name."""
        about = {"delivery_id": delivery_id, "feed": feed, "file": file, "headings": list(headings)}
        with staged_folder(self.folder / delivery_id) as staged:
            with _private(staged / ENTRIES) as target:
                for chunk in _chunks(rows, CHUNK):
                    content = "\n".join(json.dumps(list(row), ensure_ascii=False) for row in chunk)
                    target.write(self._cipher.encrypt(content.encode()) + b"\n")
            (staged / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
        return delivery_id

    def put_file(self, delivery_id: str, feed: str, source: Path, rule: str) -> str:
        """Keep a whole file that could not be read; the same file again is kept once."""
        about = {"delivery_id": delivery_id, "feed": feed, "file": source.name, "rule": rule}
        if (self.folder / delivery_id).is_dir():
            return delivery_id
        with staged_folder(self.folder / delivery_id) as staged:
            with _private(staged / ORIGINAL) as target, source.open("rb") as file:
                while block := file.read(BLOCK):
                    target.write(self._cipher.encrypt(block) + b"\n")
            (staged / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
        return delivery_id

    def restore_file(self, delivery_id: str, out: Path) -> None:
        """Write a file that was kept whole as it came."""
        with _private(out) as target:
            for block in self._decrypted(self.folder / delivery_id / ORIGINAL):
                target.write(block)

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
            for chunk in self._decrypted(path / ENTRIES):
                for text in filter(None, chunk.decode().split("\n")):
                    line, column, rule, original, *more = json.loads(text)
                    reasons = tuple((name, why) for name, why in json.loads(more[0])) if more else ((column, rule),)
                    place = (about["delivery_id"], about["feed"], about["file"], line)
                    yield Entry(*place, column, rule, json.loads(original), reasons)

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
        headings = list(dict.fromkeys(name for entry in entries for name in entry.original if name))
        if any(entry.original.get("") for entry in entries):
            headings.append("")
        rows = [[*REASON, *headings]]
        for entry in entries:
            why, how = _explained(entry, language)
            columns = "；".join(dict.fromkeys(name for name, _ in entry.reasons if name))
            cells = [entry.original.get(name) or "" for name in headings]
            rows.append([str(entry.line), columns, why, how, *cells])
        rows[0] = [*REASON, *(name or WHOLE_LINE for name in headings)]
        out.parent.mkdir(parents=True, exist_ok=True)
        _private(out).close()  # nobody else's to read, from the first byte on
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
                    chunks = [self._cipher.encrypt(chunk) + b"\n" for chunk in self._decrypted(path / name)]
                    write_atomically(path / name, b"".join(chunks))
                    (path / name).chmod(0o600)

    def _folders(self, feed: str | None) -> Iterator[tuple[Path, dict[str, Any]]]:
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.iterdir()):
            if (path / ABOUT).exists():
                about = json.loads((path / ABOUT).read_text(encoding="utf-8"))
                if feed is None or about["feed"] == feed:
                    yield path, about

    def _decrypted(self, path: Path) -> Iterator[bytes]:
        """The chunks of an encrypted file; each line of it is one."""
        try:
            with path.open("rb") as file:
                for token in file:
                    yield self._cipher.decrypt(token.strip())
        except InvalidToken as error:
            raise DependencyError("vault_locked") from error


def _private(path: Path) -> BinaryIO:
    """A new file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "wb")


def _chunks(rows: Iterable[Sequence[Any]], size: int) -> Iterator[list[Sequence[Any]]]:
    """Rows in chunks of `size`."""
    waiting = iter(rows)
    while chunk := list(islice(waiting, size)):
        yield chunk


def _explained(entry: Entry, language: str) -> tuple[str, str]:
    """All reasons of a row and all repairs, each once."""
    found = [rules()[rule] for _, rule in entry.reasons]
    return tuple(" ".join(dict.fromkeys(words[part].of(language) for words in found)) for part in ("says", "repair"))  # type: ignore[return-value]


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
