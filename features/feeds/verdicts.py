"""Which rows are rejected, and why: every failing value of every row, then one rejected row per line.

Whole rows stand or fall together (data contract, rule 4). Verdicts are collected in the engine, not in memory.
Values of identity columns are never repeated: a verdict names the column only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from features.engines.duckdb import Engine
from features.feeds.contracts import TABLES
from features.feeds.conversion import Converted, source_text
from features.feeds.headings import LINE
from features.feeds.profiles import Profile, RecordRule
from features.feeds.reading import Reading, literal, quoted
from features.feeds.records import applies, secret_columns
from features.feeds.validation import failures, schema
from features.project import Project

FAILED = "failed"
REJECTED = "rejected"
MOST_REASONS = 20
ROUNDED = r"[0-9]([.][0-9]+)?[eE][+][0-9]{2}"
"""How a spreadsheet writes a number of which it kept 15 digits."""


def judge(
    project: Project,
    feed_id: str,
    reading: Reading,
    columns: Mapping[str, Converted],
    typed: Path,
    *,
    areas: frozenset[str],
    received_on: date,
    engine: Engine,
) -> str:
    """The table of rejected rows: line, column_name, rule, value, original (the whole row as JSON), reasons.

    `reasons` is JSON of all [column, rule] of the row, the decisive one first.
    """
    profile = project.feeds[feed_id].profile
    engine.sql(
        f"CREATE OR REPLACE TEMP TABLE {FAILED} "
        "(line BIGINT, column_name VARCHAR, rule VARCHAR, value VARCHAR, weight INTEGER)"
    )
    absent = [name for name, column in profile.columns.items() if column.required and columns[name].source is None]
    if absent:
        engine.sql(
            f"INSERT INTO {FAILED} SELECT {LINE}, {literal(', '.join(absent))}, 'column_missing', '', 0 "
            f"FROM {quoted(reading.table)}"
        )
    else:
        _unread(profile, reading, columns, typed, engine)
        _broken_rules(project, profile, typed, areas, received_on, engine)
        _identity_faults(profile, columns, reading, engine)
        _incomplete(profile, typed, engine)
        _forgive_deletions(profile, typed, engine)
        _conflicts(typed, engine)
    return _rejected(reading, profile, engine)


def _unread(profile: Profile, reading: Reading, columns: Mapping[str, Converted], typed: Path, engine: Engine) -> None:
    """Values that could not be turned into their type; looked at only where a row has one."""
    lines = f"SELECT line FROM read_parquet({literal(str(typed))}) WHERE unread"
    if not engine.rows(f"SELECT count(*) FROM ({lines})")[0][0]:
        return
    secret = secret_columns(profile)
    for name, column in columns.items():
        if column.failed == "false" or column.source is None:
            continue
        shown = "''" if name in secret else source_text(column.source, reading)
        rule = "not_allowed" if profile.columns[name].type == "code" else "unreadable"
        engine.sql(
            f"INSERT INTO {FAILED} SELECT {LINE}, {literal(name)}, {literal(rule)}, {shown}, 1 "
            f"FROM {quoted(reading.table)} WHERE {column.failed} AND {LINE} IN ({lines})"
        )


def _broken_rules(
    project: Project, profile: Profile, typed: Path, areas: frozenset[str], received_on: date, engine: Engine
) -> None:
    """Pandera's verdicts, chunk by chunk."""
    kept = [name for name in profile.columns if name not in secret_columns(profile)]
    connection = engine.con.con
    for frame in failures(
        schema(project, profile, areas, received_on), typed, [*kept, *profile.identifiers, "knowledge_date"]
    ):
        connection.register("__failures", frame)
        engine.sql(f"INSERT INTO {FAILED} SELECT line, column_name, rule, value, 2 FROM __failures")
        connection.unregister("__failures")


def _identity_faults(profile: Profile, columns: Mapping[str, Converted], reading: Reading, engine: Engine) -> None:
    """Required identity columns that are empty, and numbers that a spreadsheet has rounded."""
    tests = [
        (name, "required", f"({columns[name].value}) IS NULL")
        for name in sorted(secret_columns(profile))
        if profile.columns[name].required
    ]
    tests += [
        (name, "digits_lost", f"regexp_full_match(CAST(({columns[name].value}) AS VARCHAR), '{ROUNDED}')")
        for identifier in profile.identifiers.values()
        for name in identifier.columns
        if columns[name].type == "VARCHAR"
    ]
    for name, rule, test in tests:
        engine.sql(
            f"INSERT INTO {FAILED} SELECT {LINE}, {literal(name)}, {literal(rule)}, '', 1 "
            f"FROM {quoted(reading.table)} WHERE {test}"
        )


def _incomplete(profile: Profile, typed: Path, engine: Engine) -> None:
    """Rows without a key, and records that would lack what the contract asks for."""
    source = f"read_parquet({literal(str(typed))}) WHERE NOT unread"
    tests = [(name, "key_missing", f"{quoted(name)} IS NULL") for name in profile.key]
    for rule in profile.records:
        tests += [(name, fault, f"NOT retracted AND {applies(rule)} AND {test}") for name, fault, test in _needs(rule)]
    tests = list(dict.fromkeys(tests))
    counts = ", ".join(f"count(*) FILTER ({test})" for _, _, test in tests)
    for (name, fault, test), count in zip(tests, engine.rows(f"SELECT {counts} FROM {source}")[0], strict=True):
        if count:
            engine.sql(
                f"INSERT INTO {FAILED} SELECT line, {literal(name)}, {literal(fault)}, '', 3 FROM {source} AND {test}"
            )


def _needs(rule: RecordRule) -> list[tuple[str, str, str]]:
    """Column, rule and test of what a record cannot be without."""
    contract = TABLES[rule.table].by_name
    found = [
        (source, "required", f"{quoted(source)} IS NULL")
        for name, source in rule.columns.items()
        if not contract[name].nullable
    ]
    subjects = [rule.columns[name] for name in ("household_id", "person_id") if name in rule.columns]
    if subjects and all(contract[name].nullable for name in ("household_id", "person_id") if name in rule.columns):
        nobody = " AND ".join(f"{quoted(name)} IS NULL" for name in subjects)
        found.append((subjects[0], "nobody", nobody))
    clocks = [name for name in ("event_date", "period") if name in contract and contract[name].nullable]
    given = [rule.columns[name] for name in clocks if name in rule.columns]
    if len(clocks) == 2 and given and not any(name in rule.constants for name in clocks):
        found.append((given[0], "undated", " AND ".join(f"{quoted(name)} IS NULL" for name in given)))
    return found


def _key_columns(profile: Profile) -> str:
    keys = {*profile.key, *(name for identifier in profile.identifiers.values() for name in identifier.columns)}
    return ", ".join(map(literal, sorted(keys)))


def _forgive_deletions(profile: Profile, typed: Path, engine: Engine) -> None:
    """A deletion needs no more than its key and the day on which it became known."""
    if profile.retracted:
        engine.sql(
            f"DELETE FROM {FAILED} WHERE rule = 'required' AND column_name <> 'knowledge_date' "
            f"AND column_name NOT IN ({_key_columns(profile)}) "
            f"AND line IN (SELECT line FROM read_parquet({literal(str(typed))}) WHERE retracted)"
        )


def _conflicts(typed: Path, engine: Engine) -> None:
    """Rows of one key and one knowledge date with different contents: nobody can say which is right."""
    good = (
        f"SELECT line, row_key, knowledge_date, content_hash FROM read_parquet({literal(str(typed))}) "
        f"WHERE row_key IS NOT NULL AND line NOT IN (SELECT line FROM {FAILED})"
    )
    twice = f"SELECT row_key, knowledge_date FROM ({good}) GROUP BY ALL HAVING count(DISTINCT content_hash) > 1"
    engine.sql(
        f"INSERT INTO {FAILED} SELECT t.line, '', 'key_conflict', '', 4 FROM ({good}) t "
        f"JOIN ({twice}) d USING (row_key, knowledge_date)"
    )


def _rejected(reading: Reading, profile: Profile, engine: Engine) -> str:
    """One row per rejected line, with its whole original text; a fault of its key comes before all others."""
    listed = _key_columns(profile)
    fields = ", ".join(f"{literal(name)}, {source_text(name, reading)}" for name in reading.types)
    engine.sql(
        f"CREATE OR REPLACE TEMP TABLE {REJECTED} AS "
        "SELECT line, '' AS column_name, rule, '' AS value, original, "
        f"to_json([['', rule]])::VARCHAR AS reasons FROM {quoted(reading.broken)}"
    )
    if engine.rows(f"SELECT count(*) FROM {FAILED}")[0][0]:
        # an unread value also counts as missing: where both are found, the first says what happened
        placed = (
            f"SELECT *, (column_name NOT IN ({listed}), weight, column_name, rule) AS place, "
            f"row_number() OVER (PARTITION BY line, column_name ORDER BY weight, rule) AS nth FROM {FAILED}"
        )
        decided = (
            "SELECT line, arg_min(column_name, place) AS column_name, arg_min(rule, place) AS rule, "
            f"arg_min(value, place) AS value, list([column_name, rule] ORDER BY place)[:{MOST_REASONS}] AS reasons "
            f"FROM ({placed}) WHERE nth = 1 GROUP BY line"
        )
        engine.sql(
            f"INSERT INTO {REJECTED} SELECT f.line, f.column_name, f.rule, f.value, json_object({fields}), "
            f"to_json(f.reasons)::VARCHAR FROM ({decided}) f "
            f"JOIN {quoted(reading.table)} r ON r.{LINE} = f.line ORDER BY f.line"
        )
    return REJECTED
