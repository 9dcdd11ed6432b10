"""From one delivered file to validated canonical records in the engine; nothing is committed here.

Typed rows are written once to a scratch file, sorted by household and period, without any identity column: records
are then plain projections of it, in an order that does not depend on how the file was ordered or on threads.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from features.divisions import area_tree
from features.engines.duckdb import Engine
from features.errors import DataError
from features.feeds.conversion import Converted, convert, derive, period_edge
from features.feeds.headings import LINE
from features.feeds.profiles import Identifier, Profile
from features.feeds.reading import Reading, literal, quoted, read
from features.feeds.records import check_rules, records_view, secret_columns
from features.feeds.verdicts import judge
from features.project import Project

Pseudonymise = Callable[[str, pa.Array], pa.Array]
Report = Callable[[str, int, int], None]
SEPARATOR = "chr(31)"
PLAIN = string.digits + string.ascii_letters
WIDE = "".join(chr(ord(letter) + 0xFEE0) for letter in PLAIN)


@dataclass(frozen=True)
class Prepared:
    """A delivery, ready to be compared with the store.

    Attributes:
        delivered: source rows, broken lines among them.
        good: rows that passed; delivered = good + rejected.
        typed: scratch file of typed rows, without identities.
        rows: table of good rows: line, row_key, content_hash, knowledge_date, knowledge_date_assumed, retracted,
            scope_key.
        records: for each canonical table, a view with line, knowledge_date, knowledge_date_assumed, the table's
            columns, period_start, period_end, subject and subject_id.
        identities: table of pseudonym, identifier_type, field, value; for the vault only. None where the profile
            sends nothing there.
        rejected: table of line, column_name, rule, value, original (the whole row as JSON), reasons (JSON).
        headings: the delivery's own headings.
        warnings: for people; never a value, never a heading that the profile does not know.
    """

    feed_id: str
    delivered: int
    good: int
    typed: Path
    rows: str
    records: dict[str, str]
    identities: str | None
    rejected: str
    headings: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def prepare(
    source: Path | str,
    feed_id: str,
    project: Project,
    *,
    engine: Engine,
    pseudonymise: Pseudonymise,
    received_on: date,
    progress: Report | None = None,
) -> Prepared:
    """Read, convert and check a delivery.

    Raises:
        DataError: the file cannot be read as a table of this feed at all.
        ProjectError: a record rule of the profile names what the contract does not know.
    """
    report = progress or (lambda _label, _done, _total: None)
    profile = project.feeds[feed_id].profile
    check_rules(project, feed_id)
    report("读取 reading", 0, 3)
    reading = read(source, profile, engine)
    columns = convert(profile, reading, project.currency, received_on)
    warnings = tuple(_warnings(source, profile, reading, columns))
    _extract_identities(profile, reading, columns, engine, pseudonymise)
    report("转换 converting", 1, 3)
    typed = engine.scratch / "typed.parquet"
    engine.sql(_typed_query(profile, feed_id, reading, columns, received_on, typed))
    report("校验 validating", 2, 3)
    areas = frozenset(area_tree(project).areas)
    rejected = judge(project, feed_id, reading, columns, typed, areas=areas, received_on=received_on, engine=engine)
    good = _good_rows(typed, engine)
    tables = dict.fromkeys(rule.table for rule in profile.records)
    records = {table: records_view(project, feed_id, table, typed, engine) for table in tables}
    report("校验 validating", 3, 3)
    return Prepared(
        feed_id,
        reading.rows + reading.broken_rows,
        good,
        typed,
        "good_rows",
        records,
        _identities(profile, columns, reading, engine),
        rejected,
        tuple(reading.types),
        warnings,
    )


def _good_rows(typed: Path, engine: Engine) -> int:
    engine.sql(
        "CREATE OR REPLACE TEMP TABLE good_rows AS SELECT line, row_key, content_hash, knowledge_date, "
        f"knowledge_date_assumed, retracted, scope_key FROM read_parquet({literal(str(typed))}) "
        "WHERE line NOT IN (SELECT line FROM rejected)"
    )
    return int(engine.rows("SELECT count(*) FROM good_rows")[0][0])


def _warnings(source: Path | str, profile: Profile, reading: Reading, columns: Mapping[str, Converted]) -> list[str]:
    """Columns that the profile knows and the file lacks, and how many it is the other way round."""
    absent = [name for name in profile.columns if columns[name].source is None]
    used = {column.source for column in columns.values()}
    patterns = [column.parts for column in profile.columns.values() if column.parts]
    extra = [
        heading
        for heading in reading.types
        if heading not in used and not any(re.fullmatch(pattern, heading) for pattern in patterns)
    ]
    if extra and profile.unknown_columns == "reject":
        file = source.name if isinstance(source, Path) else "sql"
        raise DataError("columns_unknown", file=file, count=len(extra))
    found = []
    if absent:
        found.append(f"文件里没有这些列 columns not in the file: {', '.join(absent)}")
    if extra:
        found.append(f"没有用到的列数 columns not used: {len(extra)}")
    return found


# --- identities -----------------------------------------------------------------------------------------------------


def _identity_text(identifier: Identifier, columns: Mapping[str, Converted], reading: Reading) -> str:
    """The identifier's own text over the source, before it becomes a pseudonym."""
    parts = [f"CAST(({columns[name].value}) AS VARCHAR)" for name in identifier.columns]
    bare = all(columns[name].source in reading.bare for name in identifier.columns)
    if identifier.normalise == "upper" and bare:
        return " || '|' || ".join(parts)
    if identifier.normalise != "exact":
        parts = [f"translate({part}, '{WIDE}', '{PLAIN}')" for part in parts]
    if identifier.normalise == "upper":
        parts = [rf"nullif(upper(regexp_replace({part}, '[\s\p{{Z}}\p{{C}}]', '', 'g')), '')" for part in parts]
    elif identifier.normalise == "digits":
        parts = [f"nullif(regexp_replace({part}, '[^0-9]', '', 'g'), '')" for part in parts]
    return " || '|' || ".join(parts)


def _extract_identities(
    profile: Profile, reading: Reading, columns: Mapping[str, Converted], engine: Engine, pseudonymise: Pseudonymise
) -> None:
    """One small table per identifier: its distinct texts and their pseudonyms."""
    connection = engine.con.con
    for name, identifier in profile.identifiers.items():
        text = _identity_text(identifier, columns, reading)
        target = quoted("identity_" + name)
        engine.sql(f"CREATE OR REPLACE TEMP TABLE {target} (plain VARCHAR, pseudonym VARCHAR)")
        query = f"SELECT DISTINCT {text} AS plain FROM {quoted(reading.table)} WHERE ({text}) IS NOT NULL"
        plain = connection.sql(query).to_arrow_table()["plain"]
        for chunk in plain.chunks:
            texts = chunk.cast(pa.string())
            connection.register("__identities", pa.table([texts, pseudonymise(identifier.type, texts)], ["a", "b"]))
            engine.sql(f"INSERT INTO {target} SELECT a, b FROM __identities")
            connection.unregister("__identities")


def _identities(profile: Profile, columns: Mapping[str, Converted], reading: Reading, engine: Engine) -> str | None:
    """What goes to the vault: a pseudonym's fields, from good rows; the last one delivered counts."""
    selects = []
    for name, identifier in profile.identifiers.items():
        text = _identity_text(identifier, columns, reading)
        for field, column in identifier.vault.items():
            selects.append(
                f"SELECT i.pseudonym, {literal(identifier.type)} AS identifier_type, {literal(field)} AS field, "
                f"last(CAST(({columns[column].value}) AS VARCHAR) ORDER BY r.{LINE}) AS value "
                f"FROM {quoted(reading.table)} r JOIN {quoted('identity_' + name)} i ON i.plain = ({text}) "
                f"WHERE r.{LINE} NOT IN (SELECT line FROM rejected) AND ({columns[column].value}) IS NOT NULL "
                f"GROUP BY i.pseudonym"
            )
    if not selects:
        return None
    engine.sql(f"CREATE OR REPLACE TEMP TABLE identities AS {' UNION ALL '.join(selects)} ORDER BY ALL")
    return "identities"


# --- typed rows -----------------------------------------------------------------------------------------------------


def _typed_query(
    profile: Profile,
    feed_id: str,
    reading: Reading,
    columns: Mapping[str, Converted],
    received_on: date,
    target: Path,
) -> str:
    """Typed columns, pseudonyms, derived columns and a row's own marks, written sorted to `target`."""
    secret = secret_columns(profile)
    kept = [name for name in profile.columns if name not in secret]
    types = {name: columns[name].type for name in kept} | dict.fromkeys(profile.identifiers, "VARCHAR")
    base = _base_query(profile, reading, columns, kept)
    for name, derived in profile.derive.items():
        kind, expression = derive(derived, types)
        types[name] = kind
        base = f"SELECT *, {expression} AS {quoted(name)} FROM ({base})"
    marks = _marks(profile, feed_id, types, received_on)
    own = [name for name in types if name not in marks]
    listed = ", ".join([*map(quoted, own), *(f"{expression} AS {quoted(name)}" for name, expression in marks.items())])
    order = "".join(f"{quoted(name)}, " for name in profile.identifiers)  # a household's rows lie together
    return (
        f"COPY (SELECT line, unread, {listed} FROM ({base}) ORDER BY {order}line) TO {literal(str(target))} "
        "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536)"
    )


def _base_query(profile: Profile, reading: Reading, columns: Mapping[str, Converted], kept: list[str]) -> str:
    values = "".join(f", {columns[name].value} AS {quoted(name)}" for name in kept)
    tests = [columns[name].failed for name in profile.columns if columns[name].failed != "false"]
    unread = " OR ".join(tests) if tests else "false"
    joins = " ".join(
        f"LEFT JOIN {quoted('identity_' + name)} i{at} "
        f"ON i{at}.plain = ({_identity_text(identifier, columns, reading)})"
        for at, (name, identifier) in enumerate(profile.identifiers.items())
    )
    pseudonyms = "".join(f", i{at}.pseudonym AS {quoted(name)}" for at, name in enumerate(profile.identifiers))
    return f"SELECT {LINE} AS line, ({unread}) AS unread{values}{pseudonyms} FROM {quoted(reading.table)} r {joins}"


def _marks(profile: Profile, feed_id: str, types: Mapping[str, str], received_on: date) -> dict[str, str]:
    """What a row carries beside its values: key, content, when it was known, whether it is a deletion, its scope.

    A department's own day of knowledge is content: a confirmation that left no version could not be told from
    silence, when a row that became known before it arrives late.
    """
    keys = f" || {SEPARATOR} || ".join(f"CAST({quoted(name)} AS VARCHAR)" for name in profile.key)
    content = "".join(f", coalesce(CAST({quoted(name)} AS VARCHAR), '')" for name in sorted(types))
    scope = "CAST(NULL AS VARCHAR)"
    if profile.snapshot:
        parts = [f"coalesce(CAST({quoted(name)} AS VARCHAR), '')" for name in profile.snapshot.scope]
        scope = f" || {SEPARATOR} || ".join(parts) or "''"
    retracted = f"coalesce({quoted(profile.retracted)}, false)" if profile.retracted else "false"
    assumed = profile.knowledge.end_of or profile.knowledge.after
    return {
        "row_key": f"md5({literal(feed_id)} || {SEPARATOR} || {keys})",
        "content_hash": f"md5(concat_ws({SEPARATOR}, {retracted}{content}))",
        "knowledge_date": _knowledge(profile, received_on),
        "knowledge_date_assumed": str(bool(assumed)).lower(),
        "retracted": retracted,
        "scope_key": scope,
    }


def _knowledge(profile: Profile, received_on: date) -> str:
    knowledge = profile.knowledge
    if knowledge.column is not None:
        return quoted(knowledge.column)
    if knowledge.end_of is not None:
        return f"CAST({period_edge(quoted(knowledge.end_of), end=True)} + {knowledge.plus_days} AS DATE)"
    if knowledge.after is not None:
        return f"CAST({quoted(knowledge.after)} + {knowledge.plus_days} AS DATE)"
    return f"DATE '{received_on.isoformat()}'"
