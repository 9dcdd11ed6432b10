"""The append-only store: hive-partitioned Parquet, committed delivery by delivery, read as known on a day.

The unit that is versioned is the *source row*. A delivery adds records, an index of its rows, and the days on which
older versions were superseded; nothing is ever changed. A delivery's manifest is its commit point: files that no
manifest names do not exist for a reader, and `recover` removes them.

    deliveries/00000001.json                                              the manifest with its receipt
    records/<table>/subject=household/bucket=03/period=2012/00000001.parquet
    rows/<feed>/00000001.parquet          row_id, line, row_key, content_hash, knowledge_date, retracted
    superseded/<feed>/00000001.parquet    row_id, superseded_on
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import ibis

from features.calendar import FOREVER, Grain, Period, parse_period, period_index
from features.engines.duckdb import Engine
from features.errors import DataError
from features.feeds.contracts import TABLES
from features.project import Project
from features.settings import Home
from features.staging import flush, locked, sweep, write_atomically

LINE_BITS = 32


@dataclass(frozen=True)
class File:
    """One Parquet file of a delivery."""

    path: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Receipt:
    """What became of a delivery's rows; `accepted + already_known + quarantined = delivered`, always."""

    delivery: int
    delivery_id: str
    feed: str
    department: str
    file: str
    digest: str
    received_on: str
    delivered: int
    accepted: int
    already_known: int
    quarantined: int
    corrections: int = 0
    retracted: int = 0
    first_period: str | None = None
    last_period: str | None = None
    warnings: tuple[str, ...] = ()
    quarantine: str | None = None
    files: tuple[File, ...] = field(default=(), repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The receipt for people and machines, without the list of files."""
        content = asdict(self)
        content.pop("files")
        return {**content, "warnings": list(self.warnings)}


@dataclass(frozen=True)
class SourceRow:
    """Where a record came from: the evidence behind a reason."""

    row_id: int
    feed: str
    department: str
    delivery_id: str
    file: str
    line: int
    received_on: str


def partition_of(grain: Grain, day: date) -> str:
    """Name of the partition that holds a day: 2012, 2012-Q4 or 2012-12."""
    return str(Period(grain, period_index(grain, day)))


def partition_sql(grain: Grain, column: str) -> str:
    """The same in SQL."""
    if grain == "year":
        return f"strftime({column}, '%Y')"
    if grain == "quarter":
        return f"strftime({column}, '%Y') || '-Q' || quarter({column})"
    return f"strftime({column}, '%Y-%m')"


class Store:
    """The store of one project in one home."""

    def __init__(self, home: Home, project: Project) -> None:
        self.home = home
        self.project = project
        self.folder = home.project(project.name).store
        self._manifests: dict[str, Receipt] = {}

    # --- manifests ---------------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Sequence number of the newest committed delivery; 0 for an empty store."""
        receipts = self.deliveries()
        return receipts[-1].delivery if receipts else 0

    def deliveries(self, version: int | None = None) -> list[Receipt]:
        """Receipts of the committed deliveries in order, up to `version`."""
        found = []
        for path in sorted((self.folder / "deliveries").glob("[0-9]*.json")):
            if version is not None and int(path.stem) > version:
                break
            if path.name not in self._manifests:
                self._manifests[path.name] = _read_manifest(path)
            found.append(self._manifests[path.name])
        return found

    def knows(self, digest: str) -> Receipt | None:
        """The delivery that brought these very bytes, if one did."""
        return next((receipt for receipt in self.deliveries() if receipt.digest == digest), None)

    def lock(self) -> Any:
        """The one writer's lock."""
        return locked(self.folder / "LOCK")

    def recover(self) -> list[str]:
        """Remove what a killed delivery left: staged files and files that no manifest names."""
        left = [str(path.name) for path in sweep(self.folder)]
        left += [path.name for path in sweep(self.folder / "deliveries")]
        named = {file.path for receipt in self.deliveries() for file in receipt.files}
        for part in ("records", "rows", "superseded"):
            for path in sorted((self.folder / part).rglob("*.parquet")):
                if path.relative_to(self.folder).as_posix() not in named:
                    path.unlink()
                    left.append(path.name)
        return left

    def commit(self, staged: Path, receipt: Receipt) -> Receipt:
        """Move staged files to their places and write the manifest, whose rename is the commit."""
        files = []
        touched = {self.folder}
        for path in sorted(staged.rglob("*.parquet")):
            relative = path.relative_to(staged).as_posix()
            target = self.folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            flush(path)
            files.append(File(relative, _rows(path), _digest(path)))
            path.rename(target)
            touched.update(folder for folder in target.parents if folder.is_relative_to(self.folder))
        for folder in sorted(touched, reverse=True):  # new folders too must outlive a power cut, before the manifest
            flush(folder)
        receipt = Receipt(**{**receipt.__dict__, "files": tuple(files)})
        content = json.dumps(asdict(receipt), ensure_ascii=False, sort_keys=True, indent=1, default=str)
        write_atomically(self.folder / "deliveries" / f"{receipt.delivery:08d}.json", content.encode())
        shutil.rmtree(staged, ignore_errors=True)
        return receipt

    def damaged(self) -> list[str]:
        """Files whose bytes are not those of their manifest, or that are gone."""
        return [
            file.path
            for receipt in self.deliveries()
            for file in receipt.files
            if not (self.folder / file.path).is_file() or _digest(self.folder / file.path) != file.sha256
        ]

    # --- reading -----------------------------------------------------------------------------------------------

    def as_known_on(
        self,
        days: date | Sequence[date],
        table: str,
        engine: Engine,
        *,
        bucket: int | None = None,
        subject: str = "household",
        periods: tuple[date, date] | None = None,
        version: int | None = None,
    ) -> ibis.Table:
        """Records of a table that were visible on at least one of the days. The only way to read history.

        Args:
            days: one as-of day or several.
            table: a table of the data contract.
            engine: the engine that reads.
            bucket: only the households (or persons) of one bucket.
            subject: `household`, or `person` for facts that name only a person.
            periods: only partitions that overlap this span of days.
            version: the store as it was after this delivery; the newest by default.

        Returns:
            The table's columns and provenance, with `known_from` and `known_to`: a record is visible on a day d
            iff known_from <= d < known_to. `known_to` is 9999-12-31 while the record is current.
        """
        wanted = [days] if isinstance(days, date) else list(days)
        first, last = min(wanted), max(wanted)
        paths = list(self._record_files(table, subject, bucket, periods, version))
        if not paths:
            return _empty(table, engine)
        records = _complete(table, engine.read_parquet(paths))
        records = records.filter(records.knowledge_date <= last)
        closed = self._superseded(table, version, engine)
        if closed is None:
            known = records.mutate(known_from=records.knowledge_date, known_to=ibis.literal(FOREVER))
        else:
            joined = records.left_join(closed, records.row_id == closed.row_id)
            known = joined.select(
                *[records[name] for name in records.columns],
                known_from=records.knowledge_date,
                known_to=ibis.coalesce(closed.superseded_on, ibis.literal(FOREVER)),
            )
        return known.filter((known.known_to > first) & (known.known_from < known.known_to))

    def _record_files(
        self, table: str, subject: str, bucket: int | None, periods: tuple[date, date] | None, version: int | None
    ) -> Iterator[Path]:
        """Files of a table, pruned by bucket and period, from the manifests alone."""
        prefix = f"records/{table}/subject={subject}/"
        chosen = None if bucket is None else f"bucket={bucket:02d}"
        for receipt in self.deliveries(version):
            for file in receipt.files:
                if not file.path.startswith(prefix):
                    continue
                _, _, _, in_bucket, in_period, _ = file.path.split("/")
                if chosen is not None and in_bucket != chosen:
                    continue
                if periods is not None and not _overlaps(in_period.removeprefix("period="), periods):
                    continue
                yield self.folder / file.path

    def _superseded(self, table: str, version: int | None, engine: Engine) -> Any:
        """First day on which each superseded row of the table's feeds gave way; None where no row did."""
        receipts = self.deliveries(version)
        prefix = f"records/{table}/"
        feeds = {receipt.feed for receipt in receipts if any(file.path.startswith(prefix) for file in receipt.files)}
        paths = [
            self.folder / file.path
            for receipt in receipts
            for file in receipt.files
            if file.path.startswith("superseded/") and receipt.feed in feeds
        ]
        if not paths:
            return None
        closed = engine.read_parquet(paths)
        return closed.group_by("row_id").aggregate(superseded_on=closed.superseded_on.min())

    def row_files(self, feed: str) -> list[Path]:
        """The row index of a feed, delivery by delivery."""
        return self._feed_files("rows", feed)

    def superseded_files(self, feed: str) -> list[Path]:
        """The supersessions of a feed, delivery by delivery."""
        return self._feed_files("superseded", feed)

    def _feed_files(self, kind: str, feed: str) -> list[Path]:
        prefix = f"{kind}/{feed}/"
        return [
            self.folder / file.path
            for receipt in self.deliveries()
            for file in receipt.files
            if file.path.startswith(prefix)
        ]

    def source_rows(self, row_ids: Sequence[int]) -> list[SourceRow]:
        """Where records came from, in the order asked for."""
        receipts = {receipt.delivery: receipt for receipt in self.deliveries()}
        found = []
        for row_id in row_ids:
            receipt = receipts[int(row_id) >> LINE_BITS]
            line = int(row_id) & ((1 << LINE_BITS) - 1)
            found.append(
                SourceRow(
                    int(row_id),
                    receipt.feed,
                    receipt.department,
                    receipt.delivery_id,
                    receipt.file,
                    line,
                    receipt.received_on,
                )
            )
        return found


def _overlaps(partition: str, periods: tuple[date, date]) -> bool:
    if partition == "none":
        return True
    period = parse_period(partition)
    return period.start <= periods[1] and period.end >= periods[0]


def _read_manifest(path: Path) -> Receipt:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError("manifest_unreadable", file=path.name) from error
    content["files"] = tuple(File(**file) for file in content["files"])
    content["warnings"] = tuple(content["warnings"])
    return Receipt(**content)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows(path: Path) -> int:
    import pyarrow.parquet as pq

    rows: int = pq.read_metadata(path).num_rows
    return rows


def _complete(table: str, records: ibis.Table) -> ibis.Table:
    """Records with every column of today's contract: files written before a column was added have nothing there."""
    absent = {c.name: ibis.null(c.ibis_type) for c in TABLES[table].stored if c.name not in records.columns}
    return records.mutate(**absent) if absent else records


def _empty(table: str, engine: Engine) -> ibis.Table:
    """No rows, with the contract's columns."""
    schema = {column.name: column.ibis_type for column in TABLES[table].stored}
    schema |= {"known_from": "date", "known_to": "date"}
    return engine.empty(schema)
