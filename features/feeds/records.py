"""The canonical records that a profile's rules make of typed rows, as views in the engine."""

from __future__ import annotations

from pathlib import Path

from features.engines.duckdb import Engine
from features.errors import ProjectError
from features.feeds.contracts import TABLES, ContractColumn, vocabularies, vocabulary
from features.feeds.conversion import period_edge
from features.feeds.profiles import Profile, RecordRule, Scalar
from features.feeds.reading import literal, quoted
from features.project import Project

RESERVED = ("line", "unread", "row_key", "content_hash", "knowledge_date_assumed", "scope_key")


def secret_columns(profile: Profile) -> set[str]:
    """Columns that only identify somebody: they go no further than the pseudonym and the vault."""
    secret = {name for identifier in profile.identifiers.values() for name in identifier.columns}
    return secret | {name for identifier in profile.identifiers.values() for name in identifier.vault.values()}


# --- what the profile may say -------------------------------------------------------------------------------------


def check_rules(project: Project, feed_id: str) -> None:
    """Refuse a profile that names a table, column or word that the contract does not know."""
    profile = project.feeds[feed_id].profile
    known = [*profile.columns, *profile.derive, *profile.identifiers]
    _check_names(profile, known, feed_id)
    _check_identities(profile, feed_id)
    for rule in profile.records:
        if rule.table not in TABLES:
            raise ProjectError("rule_table_unknown", feed=feed_id, table=rule.table, known=", ".join(TABLES))
        contract = TABLES[rule.table].by_name
        each = [rule.each.key, rule.each.value] if rule.each else []
        for name in (*rule.columns, *rule.constants, *each):
            if name not in contract:
                words = ", ".join(contract)
                raise ProjectError("rule_column_unknown", feed=feed_id, table=rule.table, column=name, known=words)
        over = rule.each.over.values() if rule.each else ()
        for name in (*rule.columns.values(), *over, *rule.when_present, *rule.when):
            if name not in known:
                raise ProjectError("rule_source_unknown", feed=feed_id, table=rule.table, column=name)
        _check_words(project, feed_id, rule)
        given = {*rule.columns, *rule.constants, *each}
        absent = [c.name for c in TABLES[rule.table].columns if not c.nullable and c.name not in given]
        if absent:
            raise ProjectError("rule_incomplete", feed=feed_id, table=rule.table, columns=", ".join(absent))


def _check_names(profile: Profile, names: list[str], feed_id: str) -> None:
    """Names must differ by more than their case, and leave the engine its own."""
    seen: set[str] = set()
    for name in names:
        ours = name.casefold() in RESERVED or name.startswith("__")
        ours |= name.casefold() == "knowledge_date" and profile.knowledge.column != name
        ours |= name.casefold() == "retracted" and profile.retracted != name
        if ours or name.casefold() in seen:
            raise ProjectError("column_name_taken", feed=feed_id, column=name)
        seen.add(name.casefold())


def _check_identities(profile: Profile, feed_id: str) -> None:
    """Refuse any use of an identity column but for its pseudonym and the vault (data contract, rule 6)."""
    used = {*profile.key, *(profile.snapshot.scope if profile.snapshot else ())}
    for rule in profile.records:
        over = rule.each.over.values() if rule.each else ()
        used.update(rule.columns.values(), over, rule.when_present, rule.when)
    for derived in profile.derive.values():
        for value in derived.model_dump(exclude_none=True, exclude={"grain", "constant"}).values():
            used.update([value] if isinstance(value, str) else value)
    told = sorted(used & secret_columns(profile))
    if told:
        raise ProjectError("identity_used", feed=feed_id, columns=", ".join(told))
    unknown = sorted(secret_columns(profile) - set(profile.columns))
    if unknown:
        raise ProjectError("identity_undeclared", feed=feed_id, columns=", ".join(unknown))


def _check_words(project: Project, feed_id: str, rule: RecordRule) -> None:
    contract = TABLES[rule.table].by_name
    given = {name: [str(word)] for name, word in rule.constants.items()}
    if rule.each:
        given[rule.each.key] = list(rule.each.over)
    details = f"{rule.table}.{rule.constants.get('kind', '')}"
    for name, words in given.items():
        listed = contract[name].vocabulary
        if name == "detail" and details in {*vocabularies(), *project.vocabularies}:
            listed = details
        if listed is None:
            continue
        known = vocabulary(project, listed)
        for word in words:
            if word not in known:
                raise ProjectError("rule_word_unknown", feed=feed_id, word=word, vocabulary=listed)


# --- records ------------------------------------------------------------------------------------------------------


def applies(rule: RecordRule) -> str:
    """SQL test of typed rows: whether the rule makes a record of them."""
    tests = [f"{quoted(name)} IS NOT NULL" for name in rule.when_present]
    tests += [_wanted(name, values) for name, values in rule.when.items()]
    if rule.each:
        tests.append("(" + " OR ".join(f"{quoted(name)} IS NOT NULL" for name in rule.each.over.values()) + ")")
    return " AND ".join(tests) or "true"


def records_view(project: Project, feed_id: str, table: str, typed: Path, engine: Engine) -> str:
    """A view of the canonical records of one table: line, subject, subject_id, clocks and the table's columns."""
    profile = project.feeds[feed_id].profile
    selects = [_select(project, profile, rule, typed) for rule in profile.records if rule.table == table]
    contract = TABLES[table]
    dated = contract.dated_by
    ending = period_edge("period", end=True) if "period" in contract.by_name else None
    start = period_edge("period", end=False) if "period" in contract.by_name else None
    first = f"coalesce({dated}, {start})" if dated and start else (dated or start or "CAST(NULL AS DATE)")
    last = f"coalesce({dated}, {ending})" if dated and ending else (dated or ending or "CAST(NULL AS DATE)")
    name = f"records_{table}"
    engine.sql(
        f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT *, {first} AS period_start, {last} AS period_end, "
        f"{_subject(table)} FROM ({' UNION ALL '.join(selects)})"
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


def _select(project: Project, profile: Profile, rule: RecordRule, typed: Path) -> str:
    """One rule's records as SQL over the typed rows."""
    contract = TABLES[rule.table]
    source = (
        f"(SELECT * FROM read_parquet({literal(str(typed))}) WHERE NOT unread "
        f"AND line NOT IN (SELECT line FROM rejected) AND NOT retracted AND {applies(rule)})"
    )
    if rule.each is None:
        columns = ", ".join(f"{_cell(profile, rule, c, project)} AS {c.name}" for c in contract.columns)
        return f"SELECT line, knowledge_date, knowledge_date_assumed, {columns} FROM {source}"
    each = rule.each
    spread = ", ".join(
        f"CAST({quoted(column)} AS {contract.by_name[each.value].sql}) AS {quoted('=' + key)}"
        for key, column in each.over.items()
    )
    names = ", ".join(quoted("=" + key) for key in each.over)
    shared = ", ".join(
        f"{_cell(profile, rule, c, project)} AS {c.name}"
        for c in contract.columns
        if c.name not in (each.key, each.value)
    )
    spreading = {each.key: f"substr(__key, 2) AS {each.key}", each.value: f"__value AS {each.value}"}
    columns = ", ".join(spreading.get(c.name, c.name) for c in contract.columns)
    return (
        f"SELECT line, knowledge_date, knowledge_date_assumed, {columns} FROM (UNPIVOT "
        f"(SELECT line, knowledge_date, knowledge_date_assumed, {shared}, {spread} FROM {source}) "
        f"ON {names} INTO NAME __key VALUE __value)"
    )


def _cell(profile: Profile, rule: RecordRule, column: ContractColumn, project: Project) -> str:
    if column.name in rule.columns:
        source = rule.columns[column.name]
        delivered = profile.columns.get(source)
        if column.type == "money" and delivered is not None and delivered.type != "money":
            return f"TRY_CAST(round({quoted(source)} * {project.currency.minor_units}) AS BIGINT)"
        return f"CAST({quoted(source)} AS {column.sql})"
    if column.name in rule.constants:
        constant = rule.constants[column.name]
        return f"CAST({literal(_shown(constant))} AS {column.sql})"
    return f"CAST(NULL AS {column.sql})"


def _shown(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wanted(name: str, values: list[Scalar | None]) -> str:
    words = [_shown(value) for value in values if value is not None]
    tests = [f"{quoted(name)} IS NULL"] if len(words) < len(values) else []
    if words:
        whole = [f"{word}.0" for word in words if word.lstrip("-").isdigit()]  # a number column shows 1 as 1.0
        tests.append(f"CAST({quoted(name)} AS VARCHAR) IN ({', '.join(map(literal, words + whole))})")
    return f"({' OR '.join(tests)})"
