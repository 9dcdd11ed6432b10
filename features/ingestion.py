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
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from features.engines.duckdb import Engine, engine
from features.errors import DataError, NothingToDo, UsageError, ZhoujiError
from features.feeds.preparation import Prepared, prepare
from features.feeds.quarantine import Quarantine
from features.feeds.reading import literal, quoted
from features.identity import open_cipher, open_pseudonymiser, open_vault
from features.project import Project
from features.settings import Home, Settings
from features.staging import STAGING_PREFIX, write_atomically
from features.store import LINE_BITS, Receipt, Store, partition_sql

Report = Callable[[str, int, int], None]
VAULT_CHUNK = 5000


def ingest(
    source: str | Path,
    project: Project,
    settings: Settings,
    *,
    feed: str | None = None,
    received_on: date,
    dry_run: bool = False,
    progress: Report | None = None,
) -> Receipt:
    """Take one file or database query in as one delivery.

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
            return _deliver(place, project, settings, store, opened, feed, received_on, report, dry_run=dry_run)


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
    named = {receipt.quarantine for receipt in store.deliveries() if receipt.quarantine}
    open_quarantine(store.project, settings).keep_only(named)
    if store.home.temporary.is_dir():
        for path in store.home.temporary.iterdir():
            if path.name.startswith("engine-") and not _alive(path):
                shutil.rmtree(path, ignore_errors=True)


def _alive(scratch: Path) -> bool:
    """Whether the process that opened this engine still runs."""
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
) -> Receipt:
    pseudonymiser = open_pseudonymiser(settings, store.home)
    _same_key(store, pseudonymiser.fingerprint, dry_run=dry_run)
    digest = file_digest(source) if isinstance(source, Path) else ""
    feed_id = feed or guess_feed(source, project, opened)
    if feed_id not in project.feeds:
        raise UsageError("feed_unknown", feed=feed_id, known=", ".join(project.feeds))
    known = store.knows(f"{feed_id}:{digest}") if digest else None
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
    return _commit(prepared, receipt, project, settings, store, opened, report, dry_run=dry_run)


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


def guess_feed(source: str | Path, project: Project, opened: Engine) -> str:
    """The feed whose required columns the file has; the only feed of a project is meant without saying.

    Raises:
        UsageError: no feed fits, or several do equally well.
    """
    if len(project.feeds) == 1:
        return next(iter(project.feeds))
    from features.feeds.conversion import heading_of
    from features.feeds.reading import read

    scores: dict[str, int] = {}
    for feed_id, feed in project.feeds.items():
        try:
            types = read(source, feed.profile, opened, name="guessed").types
        except ZhoujiError:
            continue
        found = {name: heading_of(name, column, types) for name, column in feed.profile.columns.items()}
        if all(found[name] for name, column in feed.profile.columns.items() if column.required):
            scores[feed_id] = sum(heading is not None for heading in found.values())
    best = [feed_id for feed_id, score in scores.items() if score == max(scores.values())]
    if len(best) != 1:
        name = source.name if isinstance(source, Path) else "sql"
        raise UsageError("feed_not_guessed", file=name, known=", ".join(best or project.feeds))
    return best[0]


# --- known, new or corrected ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decision:
    """What becomes of good rows."""

    accepted: int
    already_known: int
    corrections: int
    retracted: int


def decide(prepared: Prepared, receipt: Receipt, store: Store, opened: Engine) -> Decision:
    """Compare good rows with the feed's row index; leaves tables `new_rows` and `closed` in the engine.

    `new_rows` are the versions that this delivery adds. `closed` says which versions, old or new, give way to a
    later one, and on which day.
    """
    base = receipt.delivery << LINE_BITS
    index, closed = store.row_files(receipt.feed), store.superseded_files(receipt.feed)
    opened.sql(f"CREATE OR REPLACE TEMP VIEW known_rows AS {_known(index)}")
    opened.sql(f"CREATE OR REPLACE TEMP VIEW closed_before AS {_closed(closed)}")
    # within the delivery: the first of equal rows counts, later ones are already known
    opened.sql(
        f"CREATE OR REPLACE TEMP TABLE candidates AS SELECT {base} + line AS row_id, line, row_key, content_hash, "
        "knowledge_date, retracted FROM (SELECT *, row_number() OVER (PARTITION BY row_key, content_hash, "
        "knowledge_date ORDER BY line) AS nth FROM good_rows) WHERE nth = 1"
    )
    if index:
        # already known: the newest version known on the row's own day says the same
        opened.sql(
            "CREATE OR REPLACE TEMP TABLE new_rows AS SELECT c.* FROM candidates c ASOF LEFT JOIN "
            "(SELECT row_key, knowledge_date, last(content_hash ORDER BY row_id) AS content_hash FROM known_rows "
            "GROUP BY ALL) k ON c.row_key = k.row_key AND c.knowledge_date >= k.knowledge_date "
            "WHERE k.content_hash IS NULL OR k.content_hash <> c.content_hash"
        )
    else:
        opened.sql("CREATE OR REPLACE TEMP VIEW new_rows AS SELECT * FROM candidates")
    _absent(prepared, receipt, opened, index)
    several = bool(index) or bool(
        opened.rows("SELECT 1 FROM new_rows GROUP BY row_key HAVING count(*) > 1 LIMIT 1")
    )
    opened.sql(f"CREATE OR REPLACE TEMP TABLE closed AS {_closings() if several else _NO_CLOSINGS}")
    accepted, retracted = opened.rows(
        "SELECT count(*) FILTER (line > 0), count(*) FILTER (retracted) FROM new_rows"
    )[0]
    corrections = opened.rows("SELECT count(DISTINCT row_id) FROM closed")[0][0]
    good = opened.rows("SELECT count(*) FROM good_rows")[0][0]
    return Decision(accepted, good - accepted, corrections, retracted)


_NO_CLOSINGS = "SELECT CAST(NULL AS BIGINT) AS row_id, CAST(NULL AS DATE) AS superseded_on WHERE false"


def _known(files: list[Path]) -> str:
    if not files:
        return (
            "SELECT CAST(NULL AS BIGINT) AS row_id, '' AS row_key, '' AS content_hash, CAST(NULL AS DATE) AS "
            "knowledge_date, false AS retracted, CAST(NULL AS VARCHAR) AS scope_key WHERE false"
        )
    return f"SELECT * FROM read_parquet([{_paths(files)}])"


def _closed(files: list[Path]) -> str:
    if not files:
        return _NO_CLOSINGS
    return f"SELECT row_id, min(superseded_on) AS superseded_on FROM read_parquet([{_paths(files)}]) GROUP BY row_id"


def _paths(files: list[Path]) -> str:
    return ", ".join(literal(str(path)) for path in files)


def _absent(prepared: Prepared, receipt: Receipt, opened: Engine, index: list[Path]) -> None:
    """A complete snapshot retracts what is absent from it: a version without records, on the snapshot's day."""
    scoped = opened.rows("SELECT count(scope_key) FROM good_rows")[0][0]
    if not index or not scoped:
        return
    base = receipt.delivery << LINE_BITS
    opened.sql("CREATE OR REPLACE TEMP TABLE present AS SELECT * FROM new_rows")
    opened.sql(
        f"CREATE OR REPLACE TEMP TABLE new_rows AS SELECT * FROM present UNION ALL "
        f"SELECT {base} + (1 << 31) + row_number() OVER (ORDER BY k.row_key) AS row_id, "
        "-row_number() OVER (ORDER BY k.row_key) AS line, k.row_key, 'absent' AS content_hash, "
        "s.knowledge_date, true AS retracted "
        "FROM (SELECT row_key, arg_max(scope_key, (knowledge_date, row_id)) AS scope_key, "
        "arg_max(retracted, (knowledge_date, row_id)) AS gone FROM known_rows GROUP BY row_key) k "
        "JOIN (SELECT scope_key, max(knowledge_date) AS knowledge_date FROM good_rows GROUP BY scope_key) s "
        "USING (scope_key) WHERE NOT k.gone AND k.row_key NOT IN (SELECT row_key FROM good_rows)"
    )


def _closings() -> str:
    """For keys that this delivery touches: the day on which each version gives way to the next, where that is new."""
    return (
        "SELECT v.row_id, v.next_date AS superseded_on FROM (SELECT row_id, lead(knowledge_date) OVER "
        "(PARTITION BY row_key ORDER BY knowledge_date, row_id) AS next_date FROM ("
        "SELECT row_id, row_key, knowledge_date FROM known_rows WHERE row_key IN (SELECT row_key FROM new_rows) "
        "UNION ALL SELECT row_id, row_key, knowledge_date FROM new_rows)) v "
        "LEFT JOIN closed_before b ON b.row_id = v.row_id WHERE v.next_date IS NOT NULL "
        "AND (b.superseded_on IS NULL OR b.superseded_on > v.next_date) ORDER BY v.row_id"
    )


# --- writing --------------------------------------------------------------------------------------------------------


def _commit(
    prepared: Prepared,
    receipt: Receipt,
    project: Project,
    settings: Settings,
    store: Store,
    opened: Engine,
    report: Report,
    *,
    dry_run: bool,
) -> Receipt:
    decision = decide(prepared, receipt, store, opened)
    quarantined = opened.rows("SELECT count(*) FROM rejected")[0][0]
    span = opened.rows(
        "SELECT min(period_start), max(period_end) FROM ("
        + " UNION ALL ".join(f"SELECT min(period_start) period_start, max(period_end) period_end FROM {view}" for view in prepared.records.values())
        + ")"
    )[0]
    receipt = replace(
        receipt,
        accepted=decision.accepted,
        already_known=decision.already_known,
        quarantined=quarantined,
        corrections=decision.corrections,
        retracted=decision.retracted,
        first_period=str(span[0]) if span[0] else None,
        last_period=str(span[1]) if span[1] else None,
    )
    if receipt.accepted + receipt.already_known + receipt.quarantined != receipt.delivered:
        raise DataError("rows_unaccounted", **{k: getattr(receipt, k) for k in ("delivered", "accepted", "already_known", "quarantined")})
    if dry_run:
        return receipt
    if quarantined:
        receipt = replace(receipt, quarantine=_quarantine(prepared, receipt, project, settings, opened))
    _keep_identities(prepared, project, settings, opened)
    store.folder.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=store.folder))
    _write(prepared, receipt, project, staged, opened, report)
    return store.commit(staged, receipt)


def _quarantine(
    prepared: Prepared, receipt: Receipt, project: Project, settings: Settings, opened: Engine
) -> str:
    rows = opened.rows("SELECT line, column_name, rule, original FROM rejected ORDER BY line, column_name")
    return open_quarantine(project, settings).put(
        receipt.delivery_id, receipt.feed, receipt.file, prepared.headings, rows  # type: ignore[arg-type]
    )


def _keep_identities(prepared: Prepared, project: Project, settings: Settings, opened: Engine) -> None:
    if prepared.identities is None:
        return
    vault = open_vault(project, settings)
    cursor = opened.con.con.execute(
        "SELECT pseudonym, identifier_type, map_from_entries(list((field, value))) FROM identities GROUP BY ALL ORDER BY 1"
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
        index = (
            "SELECT n.row_id, n.line, n.row_key, n.content_hash, n.knowledge_date, n.retracted, g.scope_key "
            "FROM new_rows n LEFT JOIN good_rows g ON g.line = n.line ORDER BY n.row_id"
        )
        _copy(index, staged / "rows" / receipt.feed / number, opened)
    if opened.rows("SELECT 1 FROM closed LIMIT 1"):
        _copy("SELECT * FROM closed ORDER BY row_id", staged / "superseded" / receipt.feed / number, opened)
    everything = receipt.accepted == receipt.delivered
    steps = list(_parts(prepared, project, opened))
    opened.sql("SET threads = 1")  # one writer per file, so that a delivery gives the same bytes every time
    opened.sql("SET partitioned_write_flush_threshold = 65536")
    for at, (table, view, subject, bucket) in enumerate(steps):
        report("写入 writing", at, len(steps))
        new = "" if everything else "AND line IN (SELECT line FROM new_rows)"
        query = (
            f"SELECT {_stored_columns(table, receipt)}, {_partition(project)} AS period_ FROM {view} "
            f"WHERE subject = {literal(subject)} AND {_bucket(project)} = {bucket} {new}"
        )
        folder = staged / "records" / table / f"subject={subject}" / f"bucket={bucket:02d}"
        _copy_partitioned(query, folder, number, opened)
    report("写入 writing", len(steps), len(steps))


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
        f"{own}, period_start, period_end, {literal(receipt.feed)} AS feed, {literal(receipt.department)} AS department, "
        f"knowledge_date, knowledge_date_assumed, {base} + line AS row_id"
    )


def _copy(query: str, target: Path, opened: Engine) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    opened.sql(f"COPY ({query}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)")


# --- retry ----------------------------------------------------------------------------------------------------------


def retry(
    project: Project, settings: Settings, *, feed: str | None = None, dry_run: bool = False
) -> list[Receipt]:
    """Deliver rejected rows again under today's profile; a delivery whose rows all pass leaves the quarantine."""
    import csv

    quarantine = open_quarantine(project, settings)
    groups: dict[tuple[str, str], list[dict[str, str | None]]] = {}
    for entry in quarantine.entries(feed=feed):
        if "" not in entry.original:  # a broken line has no cells to try again
            groups.setdefault((entry.delivery_id, entry.feed), []).append(dict(entry.original))
    if not groups:
        raise NothingToDo("quarantine_empty")
    receipts = []
    for (delivery_id, feed_id), rows in groups.items():
        with tempfile.TemporaryDirectory(dir=_private(settings)) as folder:
            path = Path(folder) / f"retry-{delivery_id}.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
            plain = _as_csv(project, feed_id)
            receipt = ingest(path, plain, settings, feed=feed_id, received_on=date.today(), dry_run=dry_run)  # noqa: DTZ011
        receipts.append(receipt)
        if not dry_run and receipt.quarantined == 0:
            quarantine.remove(delivery_id)
    return receipts


def _private(settings: Settings) -> Path:
    folder = Home(settings.home).temporary
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _as_csv(project: Project, feed_id: str) -> Project:
    """The project with one feed's container set to CSV: quarantined rows are text, whatever they came in."""
    feed = project.feeds[feed_id]
    source = feed.profile.source.model_copy(update={"format": "csv", "encoding": "utf-8", "delimiter": ",", "header_row": 1})
    changed = feed.model_copy(update={"profile": feed.profile.model_copy(update={"source": source})})
    copied = project.model_copy(update={"feeds": {**project.feeds, feed_id: changed}})
    copied._folder = project._folder  # noqa: SLF001
    copied._digest = project._digest  # noqa: SLF001
    return copied
