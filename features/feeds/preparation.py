"""From one delivered file to validated canonical records in the engine; nothing is committed here.

Typed rows are written once to a scratch file, sorted by household and period, without any identity column: records
are then plain projections of it, in an order that does not depend on how the file was ordered or on threads.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from features.divisions import area_tree
from features.engines.duckdb import Engine
from features.errors import ProjectError
from features.feeds.contracts import TABLES, vocabulary
from features.feeds.conversion import Converted, convert, derive, period_edge, source_text
from features.feeds.profiles import Identifier, Profile, RecordRule
from features.feeds.reading import LINE, Reading, literal, quoted, read
from features.feeds.validation import Failure, failures, schema
from features.project import Project

Pseudonymise = Callable[[str, pa.Array], pa.Array]
Report = Callable[[str, int, int], None]
SEPARATOR = "chr(31)"


@dataclass(frozen=True)
class Prepared:
    """A delivery, ready to be compared with the store.

    Attributes:
        delivered: source rows, broken lines among them.
        rows: table of good rows: line, row_key, content_hash, knowledge_date, knowledge_date_assumed, retracted,
            scope_key.
        records: for each canonical table, a view with line, subject, bucket, partition day and the table's columns.
        identities: table of pseudonym, identifier_type, field, value; for the vault only. None where the profile
            sends nothing there.
        rejected: table of line, column_name, rule, value, original (the whole row as JSON).
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
        DataError: the file cannot be read as a table at all.
        ProjectError: a record rule of the profile names what the contract does not know.
    """
    report = progress or (lambda _label, _done, _total: None)
    profile = project.feeds[feed_id].profile
    check_rules(project, feed_id)
    report("读取 reading", 0, 3)
    reading = read(source, profile, engine)
    columns = convert(profile, reading, project.currency, received_on)
    _extract_identities(profile, reading, columns, engine, pseudonymise)
    report("转换 converting", 1, 3)
    typed = engine.scratch / "typed.parquet"
    engine.sql(_typed_query(project, feed_id, reading, columns, received_on, typed))
    report("校验 validating", 2, 3)
    areas = frozenset(area_tree(project).areas)
    failed = _failures(project, profile, reading, columns, typed, areas, received_on, engine)
    rejected = _rejected(reading, failed, profile, engine)
    good = _good_rows(typed, engine)
    records = {
        table: _records_view(project, feed_id, table, typed, engine)
        for table in dict.fromkeys(rule.table for rule in profile.records)
    }
    report("校验 validating", 3, 3)
    return Prepared(
        feed_id,
        reading.rows + len(reading.broken),
        good,
        typed,
        "good_rows",
        records,
        _identities(profile, columns, reading, engine),
        rejected,
        tuple(reading.types),
        tuple(_warnings(profile, reading, columns)),
    )


# --- what the profile may say -------------------------------------------------------------------------------------


def check_rules(project: Project, feed_id: str) -> None:
    """Refuse record rules that name a table, column or word that the contract does not know."""
    profile = project.feeds[feed_id].profile
    known = set(profile.columns) | set(profile.derive) | set(profile.identifiers)
    for rule in profile.records:
        if rule.table not in TABLES:
            raise ProjectError("rule_table_unknown", feed=feed_id, table=rule.table, known=", ".join(TABLES))
        contract = TABLES[rule.table].by_name
        each = [rule.each.key, rule.each.value] if rule.each else []
        for name in (*rule.columns, *rule.constants, *each):
            if name not in contract:
                known_names = ", ".join(contract)
                raise ProjectError("rule_column_unknown", feed=feed_id, table=rule.table, column=name, known=known_names)
        over = rule.each.over.values() if rule.each else ()
        for name in (*rule.columns.values(), *over, *rule.when_present, *rule.when):
            if name not in known:
                raise ProjectError("rule_source_unknown", feed=feed_id, table=rule.table, column=name)
        _check_words(project, feed_id, rule)
        given = {*rule.columns, *rule.constants, *each}
        absent = [c.name for c in TABLES[rule.table].columns if not c.nullable and c.name not in given]
        if absent:
            raise ProjectError("rule_incomplete", feed=feed_id, table=rule.table, columns=", ".join(absent))


def _check_words(project: Project, feed_id: str, rule: RecordRule) -> None:
    contract = TABLES[rule.table].by_name
    given = {name: [str(word)] for name, word in rule.constants.items()}
    if rule.each:
        given[rule.each.key] = list(rule.each.over)
    kind = str(rule.constants.get("kind", ""))
    for name, words in given.items():
        lists = [contract[name].vocabulary] if contract[name].vocabulary else []
        if name == "detail" and f"{rule.table}.{kind}" in {*_lists(project)}:
            lists = [f"{rule.table}.{kind}"]
        for vocabulary_name in lists:
            known = vocabulary(project, str(vocabulary_name))
            for word in words:
                if word not in known:
                    raise ProjectError("rule_word_unknown", feed=feed_id, word=word, vocabulary=vocabulary_name)


def _lists(project: Project) -> set[str]:
    from features.feeds.contracts import vocabularies

    return {*vocabularies(), *project.vocabularies}


# --- identities -----------------------------------------------------------------------------------------------------


def _identity_text(identifier: Identifier, columns: dict[str, Converted]) -> str:
    """The identifier's own text over the source, before it becomes a pseudonym."""
    parts = [f"CAST(({columns[name].value}) AS VARCHAR)" for name in identifier.columns]
    if identifier.normalise == "upper":
        parts = [f"upper(regexp_replace({part}, '\\s', '', 'g'))" for part in parts]
    elif identifier.normalise == "digits":
        parts = [f"nullif(regexp_replace({part}, '[^0-9]', '', 'g'), '')" for part in parts]
    return " || '|' || ".join(parts)


def _extract_identities(
    profile: Profile, reading: Reading, columns: dict[str, Converted], engine: Engine, pseudonymise: Pseudonymise
) -> None:
    """One small table per identifier: its distinct texts and their pseudonyms."""
    connection = engine.con.con
    for name, identifier in profile.identifiers.items():
        text = _identity_text(identifier, columns)
        query = f"SELECT DISTINCT {text} AS plain FROM {quoted(reading.table)} WHERE ({text}) IS NOT NULL ORDER BY plain"
        plain = connection.sql(query).to_arrow_table()["plain"].combine_chunks().cast(pa.string())
        table = pa.table({"plain": plain, "pseudonym": pseudonymise(identifier.type, plain)})
        connection.register("__identities", table)
        engine.sql(f"CREATE OR REPLACE TEMP TABLE {quoted('identity_' + name)} AS SELECT * FROM __identities")
        connection.unregister("__identities")


def _identities(
    profile: Profile, columns: dict[str, Converted], reading: Reading, engine: Engine
) -> str | None:
    """What goes to the vault: a pseudonym's fields, from good rows."""
    selects = []
    for name, identifier in profile.identifiers.items():
        text = _identity_text(identifier, columns)
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


def kept_columns(profile: Profile) -> list[str]:
    """Columns that may be written: all but those that only identify somebody."""
    secret = {column for identifier in profile.identifiers.values() for column in identifier.columns}
    secret |= {column for identifier in profile.identifiers.values() for column in identifier.vault.values()}
    needed = {name for rule in profile.records for name in rule.columns.values()}
    needed |= {part for derived in profile.derive.values() for part in (derived.period or [])}
    return [name for name in profile.columns if name not in secret or name in needed]


def _typed_query(
    project: Project,
    feed_id: str,
    reading: Reading,
    columns: dict[str, Converted],
    received_on: date,
    target: Path,
) -> str:
    profile = project.feeds[feed_id].profile
    kept = kept_columns(profile)
    values = ", ".join(f"{columns[name].value} AS {quoted(name)}" for name in kept)
    tests = [columns[name].failed for name in profile.columns if columns[name].failed != "false"]
    unread = " OR ".join(tests) if tests else "false"
    names = list(profile.identifiers)
    joins = " ".join(
        f"LEFT JOIN {quoted('identity_' + name)} i{at} ON i{at}.plain = ({_identity_text(identifier, columns)})"
        for at, (name, identifier) in enumerate(profile.identifiers.items())
    )
    pseudonyms = "".join(f", i{at}.pseudonym AS {quoted(name)}" for at, name in enumerate(names))
    base = (
        f"SELECT {LINE} AS line, {values}, ({unread}) AS unread{pseudonyms} FROM {quoted(reading.table)} r {joins}"
    )
    types = {name: columns[name].type for name in kept} | dict.fromkeys(names, "VARCHAR")
    for name, derived in profile.derive.items():
        kind, expression = derive(derived, types)
        types[name] = kind
        base = f"SELECT *, {expression} AS {quoted(name)} FROM ({base})"
    keys = f" || {SEPARATOR} || ".join(f"CAST({quoted(name)} AS VARCHAR)" for name in profile.key)
    content = ", ".join(f"coalesce(CAST({quoted(name)} AS VARCHAR), '')" for name in sorted(types))
    scope = (
        f" || {SEPARATOR} || ".join(f"CAST({quoted(name)} AS VARCHAR)" for name in profile.snapshot.scope) or "''"
        if profile.snapshot
        else "NULL"
    )
    retracted = f"coalesce({quoted(profile.retracted)}, false)" if profile.retracted else "false"
    hashed = (
        f"SELECT *, md5({literal(feed_id)} || {SEPARATOR} || {keys}) AS row_key, "
        f"md5(concat_ws({SEPARATOR}, {retracted}, {content})) AS content_hash, "
        f"{_knowledge(profile, received_on)} AS knowledge_date, "
        f"{str(bool(profile.knowledge.end_of or profile.knowledge.after)).lower()} AS knowledge_date_assumed, "
        f"{retracted} AS retracted, CAST({scope} AS VARCHAR) AS scope_key FROM ({base})"
    )
    order = "".join(f"{quoted(name)}, " for name in profile.identifiers)  # a household's rows lie together
    return (
        f"COPY (SELECT * FROM ({hashed}) ORDER BY {order}line) TO {literal(str(target))} "
        "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536)"
    )


def _knowledge(profile: Profile, received_on: date) -> str:
    knowledge = profile.knowledge
    if knowledge.column is not None:
        return quoted(knowledge.column)
    if knowledge.end_of is not None:
        return f"CAST({period_edge(quoted(knowledge.end_of), end=True)} + {knowledge.plus_days} AS DATE)"
    if knowledge.after is not None:
        return f"CAST({quoted(knowledge.after)} + {knowledge.plus_days} AS DATE)"
    return f"DATE '{received_on.isoformat()}'"


# --- verdicts -------------------------------------------------------------------------------------------------------


def _failures(
    project: Project,
    profile: Profile,
    reading: Reading,
    columns: dict[str, Converted],
    typed: Path,
    areas: frozenset[str],
    received_on: date,
    engine: Engine,
) -> list[Failure]:
    missing = [name for name, column in profile.columns.items() if column.required and columns[name].source is None]
    if missing:
        lines = [line for (line,) in engine.rows(f"SELECT {LINE} FROM {quoted(reading.table)} ORDER BY 1")]
        return [Failure(line, ", ".join(missing), "column_missing", "") for line in lines]
    found = _unread(profile, reading, columns, engine)
    unread = {(failure.line, failure.column) for failure in found}
    checked = [*kept_columns(profile), *profile.identifiers, "knowledge_date"]
    verdicts = failures(schema(project, profile, areas, received_on), typed, checked)
    found += [failure for failure in verdicts if (failure.line, failure.column) not in unread]
    found += _identity_failures(profile, columns, reading, engine, {failure.line for failure in found})
    return found + _conflicts(typed, engine, {failure.line for failure in found})


def _unread(
    profile: Profile, reading: Reading, columns: dict[str, Converted], engine: Engine
) -> list[Failure]:
    """Values that could not be turned into their type; looked at only where a row has one."""
    lines = f"SELECT line FROM read_parquet({literal(str(engine.scratch / 'typed.parquet'))}) WHERE unread"
    found = []
    if engine.rows(f"SELECT count(*) FROM ({lines})")[0][0]:
        for name in profile.columns:
            column = columns[name]
            if column.failed == "false" or column.source is None:
                continue
            shown = source_text(column.source, reading)
            rule = "not_allowed" if profile.columns[name].type == "code" else "unreadable"
            query = f"SELECT {LINE}, {shown} FROM {quoted(reading.table)} WHERE {column.failed} AND {LINE} IN ({lines})"
            found += [Failure(line, name, rule, str(value)) for line, value in engine.rows(query)]
    return found


def _identity_failures(
    profile: Profile, columns: dict[str, Converted], reading: Reading, engine: Engine, known: set[int]
) -> list[Failure]:
    """Required identity columns that are empty; their values are never repeated."""
    hidden = [name for name in profile.columns if profile.columns[name].required and name not in kept_columns(profile)]
    found = []
    for name in hidden:
        query = f"SELECT {LINE} FROM {quoted(reading.table)} WHERE ({columns[name].value}) IS NULL"
        found += [Failure(line, name, "required", "") for (line,) in engine.rows(query) if line not in known]
    return found


def _conflicts(typed: Path, engine: Engine, known: set[int]) -> list[Failure]:
    """Rows of one key and one knowledge date with different contents: nobody can say which is right."""
    source = f"read_parquet({literal(str(typed))})"
    twice = (
        f"SELECT row_key, knowledge_date FROM {source} WHERE row_key IS NOT NULL GROUP BY ALL "
        "HAVING count(DISTINCT content_hash) > 1"
    )
    query = f"SELECT t.line FROM {source} t JOIN ({twice}) d USING (row_key, knowledge_date) ORDER BY 1"
    return [Failure(line, "", "key_conflict", "") for (line,) in engine.rows(query) if line not in known]


def _rejected(reading: Reading, failed: list[Failure], profile: Profile, engine: Engine) -> str:
    """The table of rejected rows with their whole original text."""
    engine.sql(
        "CREATE OR REPLACE TEMP TABLE rejected "
        "(line BIGINT, column_name VARCHAR, rule VARCHAR, value VARCHAR, original VARCHAR)"
    )
    broken = [(item.line, "", item.rule, "", json.dumps({"": item.original}, ensure_ascii=False)) for item in reading.broken]
    connection = engine.con.con
    _insert(engine, "rejected", broken)
    first: dict[int, Failure] = {}
    for failure in sorted(failed, key=lambda item: (item.line, item.column, item.rule)):
        first.setdefault(failure.line, failure)
    engine.sql("CREATE OR REPLACE TEMP TABLE failed (line BIGINT, column_name VARCHAR, rule VARCHAR, value VARCHAR)")
    _insert(engine, "failed", [(f.line, f.column, f.rule, f.value) for f in first.values()])
    if first:
        fields = ", ".join(f"{literal(name)}, {source_text(name, reading)}" for name in reading.types)
        connection.execute(
            f"INSERT INTO rejected SELECT f.line, f.column_name, f.rule, f.value, json_object({fields}) "
            f"FROM failed f JOIN {quoted(reading.table)} r ON r.{LINE} = f.line ORDER BY f.line"
        )
    return "rejected"


def _insert(engine: Engine, table: str, rows: list[tuple[object, ...]]) -> None:
    if not rows:
        return
    names = [name for name, *_ in engine.rows(f"DESCRIBE {table}")]
    content = pa.table({name: pa.array([row[at] for row in rows]) for at, name in enumerate(names)})
    engine.con.con.register("__rows", content)
    engine.sql(f"INSERT INTO {table} SELECT * FROM __rows")
    engine.con.con.unregister("__rows")


def _good_rows(typed: Path, engine: Engine) -> int:
    engine.sql(
        "CREATE OR REPLACE TEMP TABLE good_rows AS SELECT line, row_key, content_hash, knowledge_date, "
        f"knowledge_date_assumed, retracted, scope_key FROM read_parquet({literal(str(typed))}) "
        "WHERE line NOT IN (SELECT line FROM rejected)"
    )
    return int(engine.rows("SELECT count(*) FROM good_rows")[0][0])


def _warnings(profile: Profile, reading: Reading, columns: dict[str, Converted]) -> list[str]:
    """Columns that the profile knows and the file lacks, and the other way round; names only."""
    absent = [name for name in profile.columns if columns[name].source is None]
    used = {column.source for column in columns.values()}
    parts = {heading for column in profile.columns.values() for heading in reading.types if _is_part(column.parts, heading)}
    extra = [heading for heading in reading.types if heading not in used and heading not in parts]
    found = []
    if absent:
        found.append(f"文件里没有这些列 columns not in the file: {', '.join(absent)}")
    if extra:
        found.append(f"没有用到的列 columns not used: {', '.join(extra)}")
    return found


def _is_part(pattern: str | None, heading: str) -> bool:
    import re

    return bool(pattern and re.fullmatch(pattern, heading))


# --- records --------------------------------------------------------------------------------------------------------


def _records_view(project: Project, feed_id: str, table: str, typed: Path, engine: Engine) -> str:
    """A view of the canonical records of one table."""
    profile = project.feeds[feed_id].profile
    selects = [_select(project, profile, rule, typed, engine) for rule in profile.records if rule.table == table]
    contract = TABLES[table]
    dated = contract.dated_by
    ending = period_edge("period", end=True) if "period" in contract.by_name else None
    start = period_edge("period", end=False) if "period" in contract.by_name else None
    first = f"coalesce({dated}, {start})" if dated and start else (dated or start or "CAST(NULL AS DATE)")
    last = f"coalesce({dated}, {ending})" if dated and ending else (dated or ending or "CAST(NULL AS DATE)")
    subject = _subject(table)
    name = f"records_{table}"
    engine.sql(
        f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT *, {first} AS period_start, {last} AS period_end, {subject} "
        f"FROM ({' UNION ALL '.join(selects)})"
    )
    return name


def _subject(table: str) -> str:
    """Whose bucket a record belongs to: the household, else the person, else everybody's."""
    names = TABLES[table].by_name
    if "household_id" not in names:
        return "'all' AS subject, '0000' AS subject_id"
    if "person_id" not in names or table == "member":
        return "'household' AS subject, household_id AS subject_id"
    return (
        "CASE WHEN household_id IS NOT NULL THEN 'household' ELSE 'person' END AS subject, "
        "coalesce(household_id, person_id) AS subject_id"
    )


def _select(project: Project, profile: Profile, rule: RecordRule, typed: Path, engine: Engine) -> str:
    """One rule's records as SQL over the typed rows."""
    contract = TABLES[rule.table]
    tests = ["NOT unread", "line NOT IN (SELECT line FROM rejected)", "NOT retracted"]
    tests += [f"{quoted(name)} IS NOT NULL" for name in rule.when_present]
    tests += [_wanted(name, values) for name, values in rule.when.items()]
    source = f"(SELECT * FROM read_parquet({literal(str(typed))}) WHERE {' AND '.join(tests)})"
    if rule.each is None:
        columns = ", ".join(f"{_cell(profile, rule, c.name, c.sql, project)} AS {c.name}" for c in contract.columns)
        return f"SELECT line, knowledge_date, knowledge_date_assumed, {columns} FROM {source}"
    each = rule.each
    spread = ", ".join(
        f"CAST({quoted(column)} AS {contract.by_name[each.value].sql}) AS {quoted('=' + key)}"
        for key, column in each.over.items()
    )
    names = ", ".join(quoted("=" + key) for key in each.over)
    shared = ", ".join(
        f"{_cell(profile, rule, c.name, c.sql, project)} AS {c.name}"
        for c in contract.columns
        if c.name not in (each.key, each.value)
    )
    columns = ", ".join(
        f"substr(__key, 2) AS {c.name}" if c.name == each.key else f"__value AS {c.name}" if c.name == each.value else c.name
        for c in contract.columns
    )
    return (
        f"SELECT line, knowledge_date, knowledge_date_assumed, {columns} FROM (UNPIVOT "
        f"(SELECT line, knowledge_date, knowledge_date_assumed, {shared}, {spread} FROM {source}) "
        f"ON {names} INTO NAME __key VALUE __value)"
    )


def _cell(profile: Profile, rule: RecordRule, name: str, kind: str, project: Project) -> str:
    if name in rule.columns:
        source = rule.columns[name]
        value = quoted(source)
        if kind == "BIGINT" and TABLES[rule.table].by_name[name].type == "money":
            column = profile.columns.get(source)
            if column is not None and column.type != "money":
                return f"CAST(round({value} * {project.currency.minor_units}) AS BIGINT)"
        return f"CAST({value} AS {kind})"
    if name in rule.constants:
        value = rule.constants[name]
        shown = str(value).lower() if isinstance(value, bool) else literal(str(value))
        return f"CAST({shown} AS {kind})"
    return f"CAST(NULL AS {kind})"


def _wanted(name: str, values: list[str | int | float | bool | None]) -> str:
    words = [value for value in values if value is not None]
    tests = [f"{quoted(name)} IS NULL"] if len(words) < len(values) else []
    if words:
        listed = ", ".join(literal(str(word).lower() if isinstance(word, bool) else str(word)) for word in words)
        tests.append(f"CAST({quoted(name)} AS VARCHAR) IN ({listed})")
    return f"({' OR '.join(tests)})"
