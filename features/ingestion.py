"""Taking a delivery in: read, check, compare with what is known, and commit it whole or not at all.

The order is what makes a kill harmless: identities (idempotent) and quarantine (named by the manifest) first, then
the delivery's files, then the manifest, whose rename is the commit. The next run removes what no manifest names.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

from features.engines.duckdb import Engine, engine
from features.errors import DataError, NothingToDo, UsageError, ZhoujiError
from features.feeds.preparation import Prepared, prepare
from features.feeds.quarantine import Quarantine
from features.feeds.reading import literal, quoted
from features.identity import open_cipher, open_pseudonymiser, open_vault, sweep_keys
from features.project import Project
from features.resending import private_folder, sent_as_text
from features.settings import Home, Settings
from features.staging import STAGING_PREFIX, sweep, write_atomically
from features.store import LINE_BITS, Receipt, Store, partition_sql
from features.versions import decide

Report = Callable[[str, int, int], None]
VAULT_CHUNK = 5000
SCRATCH = ("engine-", "retry-")


def ingest(
    source: str | Path,
    project: Project,
    settings: Settings,
    *,
    feed: str | None = None,
    received_on: date,
    dry_run: bool = False,
    again: bool = False,
    progress: Report | None = None,
) -> Receipt:
    """Take one file or database query in as one delivery.

    Args:
        source: a file, or the address of a database.
        project: the project whose feed it is.
        settings: home, keys and limits.
        feed: the feed; guessed from the columns where there is none.
        received_on: the day of the delivery.
        dry_run: check and count, and keep nothing.
        again: rejected rows that are sent again: judged anew even if their bytes are known, and only a part of
            their delivery, so that nothing is taken as absent from it.
        progress: told what is being done.

    Returns:
        The receipt: accepted + already known + quarantined = delivered.

    Raises:
        NothingToDo: these very bytes were delivered before.
        DataError: the file cannot be read at all; it is kept whole in the quarantine.
    """
    report = progress or (lambda _label, _done, _total: None)
    place: str | Path = source if "://" in str(source) else Path(source)
    if isinstance(place, Path) and not place.is_file():
        raise UsageError("source_missing", file=place.name)
    home = Home(settings.home)
    store = Store(home, project)
    with store.lock():
        recover(store, settings)
        with engine(settings, home) as opened:
            opened.sql(f"SET memory_limit = {literal(_less(settings.memory_limit))}")
            return _deliver(
                place, project, settings, store, opened, feed, received_on, report, dry_run=dry_run, again=again
            )


def _less(limit: str) -> str:
    """Three quarters of a memory limit: the rest is for what is checked in Python beside the engine.

    >>> _less("600MB")
    '450MB'
    """
    number, unit = re.fullmatch(r"([0-9.]+)\s*([A-Za-z]*)", limit.strip()).groups()  # type: ignore[union-attr]
    return f"{round(float(number) * 0.75)}{unit}"


def recover(store: Store, settings: Settings) -> None:
    """Undo what a killed delivery left: files, quarantine and spill that no manifest names."""
    store.recover()
    sweep_keys(settings, store.home)
    named = {receipt.quarantine for receipt in store.deliveries() if receipt.quarantine}
    quarantine = open_quarantine(store.project, settings)
    for folder in (quarantine.folder, *_folders(quarantine.folder)):
        sweep(folder)
    quarantine.keep_only(named)
    for path in _folders(store.home.temporary):
        if path.name.startswith(SCRATCH) and not _alive(path):
            shutil.rmtree(path, ignore_errors=True)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _alive(scratch: Path) -> bool:
    """Whether the process that made this folder still runs."""
    try:
        os.kill(int((scratch / "pid").read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


def open_quarantine(project: Project, settings: Settings) -> Quarantine:
    """The project's quarantine."""
    home = Home(settings.home)
    return Quarantine(home.project(project.name).quarantine, open_cipher(settings, home))


def _deliver(
    source: str | Path,
    project: Project,
    settings: Settings,
    store: Store,
    opened: Engine,
    feed: str | None,
    received_on: date,
    report: Report,
    *,
    dry_run: bool,
    again: bool,
) -> Receipt:
    pseudonymiser = open_pseudonymiser(settings, store.home)
    _same_key(store, pseudonymiser.fingerprint, dry_run=dry_run)
    digest = file_digest(source) if isinstance(source, Path) else ""
    feed_id = feed or guess_feed(source, project)
    if feed_id not in project.feeds:
        raise UsageError("feed_unknown", feed=feed_id, known=", ".join(project.feeds))
    known = store.knows(f"{feed_id}:{digest}") if digest and not again else None
    if known is not None:
        raise NothingToDo("delivery_known", file=known.file, delivery=known.delivery_id)
    name = source.name if isinstance(source, Path) else "sql"
    delivery_id = f"{feed_id}-{store.version + 1:06d}-{digest[:8] or 'query'}"
    try:
        prepared = prepare(
            source,
            feed_id,
            project,
            engine=opened,
            pseudonymise=pseudonymiser.many,
            received_on=received_on,
            progress=report,
        )
    except DataError as error:
        if isinstance(source, Path) and not dry_run:
            open_quarantine(project, settings).put_file(f"{feed_id}-{digest[:16]}", feed_id, source, error.code)
        raise
    receipt = Receipt(
        delivery=store.version + 1,
        delivery_id=delivery_id,
        feed=feed_id,
        department=project.feeds[feed_id].department,
        file=name,
        digest=f"{feed_id}:{digest}",
        received_on=received_on.isoformat(),
        delivered=prepared.delivered,
        accepted=0,
        already_known=0,
        quarantined=0,
        warnings=prepared.warnings,
    )
    decision = decide(prepared, receipt, project, store, opened, complete=not again)
    receipt = replace(
        receipt,
        accepted=decision.accepted,
        already_known=decision.already_known,
        quarantined=opened.rows("SELECT count(*) FROM rejected")[0][0],
        corrections=decision.corrections,
        retracted=decision.retracted,
        warnings=receipt.warnings + decision.warnings,
    )
    fates = {name: getattr(receipt, name) for name in ("delivered", "accepted", "already_known", "quarantined")}
    if receipt.accepted + receipt.already_known + receipt.quarantined != receipt.delivered:
        raise DataError("rows_unaccounted", **fates)
    if dry_run:
        return _spanning(receipt, *_span_of_views(prepared, opened))
    return _commit(prepared, receipt, project, settings, store, opened, report)


def _same_key(store: Store, fingerprint: str, *, dry_run: bool) -> None:
    """A store lives with one pseudonym key; another would give every household a second life."""
    path = store.folder / "key.json"
    if path.is_file():
        if json.loads(path.read_text(encoding="utf-8"))["fingerprint"] != fingerprint:
            raise UsageError("pseudonym_key_other")
    elif not dry_run:
        write_atomically(path, json.dumps({"fingerprint": fingerprint}).encode())


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def guess_feed(source: str | Path, project: Project) -> str:
    """The feed whose required columns the file has; the only feed of a project is meant without saying.

    Raises:
        UsageError: no feed fits, or several do equally well.
    """
    if len(project.feeds) == 1:
        return next(iter(project.feeds))
    from features.feeds.headings import heading_of
    from features.feeds.reading import headings

    scores: dict[str, int] = {}
    for feed_id, feed in project.feeds.items():
        try:
            present = headings(source, feed.profile)
        except ZhoujiError:
            continue
        found = {name: heading_of(name, column, present) for name, column in feed.profile.columns.items()}
        if all(found[name] for name, column in feed.profile.columns.items() if column.required):
            scores[feed_id] = sum(heading is not None for heading in found.values())
    best = [feed_id for feed_id, score in scores.items() if score == max(scores.values())]
    if len(best) != 1:
        name = source.name if isinstance(source, Path) else "sql"
        raise UsageError("feed_not_guessed", file=name, known=", ".join(best or project.feeds))
    return best[0]


# --- writing --------------------------------------------------------------------------------------------------------


def _commit(
    prepared: Prepared,
    receipt: Receipt,
    project: Project,
    settings: Settings,
    store: Store,
    opened: Engine,
    report: Report,
) -> Receipt:
    if receipt.quarantined:
        receipt = replace(receipt, quarantine=_quarantine(prepared, receipt, project, settings, opened))
    _keep_identities(prepared, project, settings, opened)
    store.folder.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=store.folder))
    try:
        _write(prepared, receipt, project, staged, opened, report)
        return store.commit(staged, _spanning(receipt, *_span_of_files(staged)))
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _spanning(receipt: Receipt, first: date | None, last: date | None) -> Receipt:
    return replace(receipt, first_period=str(first) if first else None, last_period=str(last) if last else None)


def _span_of_views(prepared: Prepared, opened: Engine) -> tuple[date | None, date | None]:
    """First and last day of a delivery's records, before they are written."""
    spans = " UNION ALL ".join(
        f"SELECT min(period_start) AS first, max(period_end) AS last FROM {view}" for view in prepared.records.values()
    )
    first, last = opened.rows(f"SELECT min(first), max(last) FROM ({spans})")[0]
    return first, last


def _span_of_files(staged: Path) -> tuple[date | None, date | None]:
    """The same of written records, from the statistics of their files: nothing is read again."""
    import pyarrow.parquet as pq

    first: list[date] = []
    last: list[date] = []
    for path in (staged / "records").rglob("*.parquet"):
        content = pq.read_metadata(path)
        places = {content.schema.column(at).name: at for at in range(content.num_columns)}
        for group in range(content.num_row_groups):
            for name, found in (("period_start", first), ("period_end", last)):
                statistics = content.row_group(group).column(places[name]).statistics
                if statistics is not None and statistics.has_min_max:
                    found.append(statistics.min if name == "period_start" else statistics.max)
    return min(first, default=None), max(last, default=None)


def _quarantine(prepared: Prepared, receipt: Receipt, project: Project, settings: Settings, opened: Engine) -> str:
    query = "SELECT line, column_name, rule, original, reasons FROM rejected ORDER BY line"
    cursor = opened.con.con.execute(query)
    rows = (row for chunk in iter(lambda: cursor.fetchmany(VAULT_CHUNK), []) for row in chunk)
    return open_quarantine(project, settings).put(
        receipt.delivery_id, receipt.feed, receipt.file, prepared.headings, rows
    )


def _keep_identities(prepared: Prepared, project: Project, settings: Settings, opened: Engine) -> None:
    if prepared.identities is None:
        return
    vault = open_vault(project, settings)
    cursor = opened.con.con.execute(
        "SELECT pseudonym, identifier_type, map_from_entries(list((field, value))) FROM identities "
        "GROUP BY ALL ORDER BY 1"
    )
    while chunk := cursor.fetchmany(VAULT_CHUNK):
        vault.put((pseudonym, kind, dict(fields)) for pseudonym, kind, fields in chunk)


def _write(
    prepared: Prepared, receipt: Receipt, project: Project, staged: Path, opened: Engine, report: Report
) -> None:
    """Write row index, supersessions and records under `staged`, in the store's own layout."""
    opened.sql("SET preserve_insertion_order = true")  # the order of the typed file is the order of every file
    number = f"{receipt.delivery:08d}.parquet"
    if receipt.accepted or receipt.retracted:
        columns = "row_id, line, row_key, content_hash, knowledge_date, retracted, scope_key"
        _copy(f"SELECT {columns} FROM new_rows ORDER BY row_id", staged / "rows" / receipt.feed / number, opened)
    if opened.rows("SELECT 1 FROM closed LIMIT 1"):
        _copy("SELECT * FROM closed ORDER BY row_id", staged / "superseded" / receipt.feed / number, opened)
    if receipt.accepted < receipt.delivered or receipt.corrections:
        _keep_new(prepared, project, opened)
    steps = list(_parts(prepared, project, opened))
    opened.sql("SET threads = 1")  # one writer per file, so that a delivery gives the same bytes every time
    opened.sql("SET partitioned_write_flush_threshold = 65536")
    for at, (table, view, subject, bucket) in enumerate(steps):
        report("写入 writing", at, len(steps))
        query = (
            f"SELECT {_stored_columns(table, receipt)}, {_partition(project)} AS period_ FROM {view} "
            f"WHERE subject = {literal(subject)} AND {_bucket(project)} = {bucket}"
        )
        folder = staged / "records" / table / f"subject={subject}" / f"bucket={bucket:02d}"
        _copy_partitioned(query, folder, number, opened)
    report("写入 writing", len(steps), len(steps))


def _keep_new(prepared: Prepared, project: Project, opened: Engine) -> None:
    """Put new versions alone, on the days that the store gives them, in the place of the typed rows.

    The records are views of that file: of a delivery that changes little, little is read.
    """
    new = prepared.typed.with_name("new.parquet")
    order = "".join(f"t.{quoted(name)}, " for name in project.feeds[prepared.feed_id].profile.identifiers)
    query = (
        "SELECT t.* REPLACE (n.knowledge_date AS knowledge_date) "
        f"FROM read_parquet({literal(str(prepared.typed))}) t JOIN new_rows n ON n.line = t.line ORDER BY {order}t.line"
    )
    _copy(query, new, opened)
    new.replace(prepared.typed)


def _copy_partitioned(query: str, folder: Path, number: str, opened: Engine) -> None:
    """Write one bucket's records, a file per period."""
    folder.mkdir(parents=True, exist_ok=True)
    opened.sql(
        f"COPY ({query}) TO {literal(str(folder))} "
        "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536, PARTITION_BY (period_), OVERWRITE_OR_IGNORE)"
    )
    for path in sorted(folder.glob("period_=*")):
        period = folder / f"period={path.name.removeprefix('period_=')}"
        period.mkdir()
        for part, file in enumerate(sorted(path.iterdir(), key=lambda item: (len(item.name), item.name))):
            file.rename(period / (number if part == 0 else number.replace(".parquet", f"-{part}.parquet")))
        path.rmdir()


def _bucket(project: Project) -> str:
    return f"(CAST('0x' || substr(subject_id, 1, 4) AS INTEGER) % {project.store.buckets})"


def _partition(project: Project) -> str:
    return f"coalesce({partition_sql(project.store.partition, 'period_end')}, 'none')"


def _parts(prepared: Prepared, project: Project, opened: Engine) -> list[tuple[str, str, str, int]]:
    """The buckets into which a delivery's records fall."""
    found = []
    for table, view in prepared.records.items():
        rows = opened.rows(
            f"SELECT DISTINCT subject, {_bucket(project)} AS bucket FROM {view} "
            "WHERE subject_id IS NOT NULL ORDER BY ALL"
        )
        found += [(table, view, subject, bucket) for subject, bucket in rows]
    return found


def _stored_columns(table: str, receipt: Receipt) -> str:
    from features.feeds.contracts import TABLES

    own = ", ".join(quoted(column.name) for column in TABLES[table].columns)
    base = receipt.delivery << LINE_BITS
    return (
        f"{own}, period_start, period_end, {literal(receipt.feed)} AS feed, "
        f"{literal(receipt.department)} AS department, knowledge_date, knowledge_date_assumed, {base} + line AS row_id"
    )


def _copy(query: str, target: Path, opened: Engine) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    opened.sql(f"COPY ({query}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)")


# --- retry ----------------------------------------------------------------------------------------------------------


def retry(project: Project, settings: Settings, *, feed: str | None = None, dry_run: bool = False) -> list[Receipt]:
    """Deliver rejected rows again under today's profile.

    What fails again is kept under the new delivery, so the old one leaves the quarantine; but a delivery with broken
    lines, which have no cells to try again, stays until somebody repairs its file.
    """
    quarantine = open_quarantine(project, settings)
    groups: dict[tuple[str, str], list[dict[str, str | None]]] = {}
    broken: set[str] = set()
    for entry in quarantine.entries(feed=feed):
        if "" in entry.original:
            broken.add(entry.delivery_id)
        else:
            groups.setdefault((entry.delivery_id, entry.feed), []).append(dict(entry.original))
    if not groups:
        raise NothingToDo("quarantine_empty")
    receipts = []
    for (delivery_id, feed_id), rows in groups.items():
        today = max(date.today(), _newest(project, settings, feed_id))  # noqa: DTZ011 -- the administration's own day
        with private_folder(settings) as folder:
            path = _as_file(folder / f"retry-{delivery_id}.csv", rows)
            plain = sent_as_text(project, feed_id)
            receipt = ingest(path, plain, settings, feed=feed_id, received_on=today, dry_run=dry_run, again=True)
        receipts.append(receipt)
        if not dry_run and delivery_id not in broken:
            quarantine.remove(delivery_id)
    return receipts


def _newest(project: Project, settings: Settings, feed_id: str) -> date:
    """Day of the feed's newest delivery."""
    receipts = Store(Home(settings.home), project).deliveries()
    return max((date.fromisoformat(r.received_on) for r in receipts if r.feed == feed_id), default=date.min)


def _as_file(path: Path, rows: list[dict[str, str | None]]) -> Path:
    import csv

    headings = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, headings)
        writer.writeheader()
        writer.writerows(rows)
    return path
