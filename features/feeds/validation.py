"""Row-level verdicts on typed rows, with pandera: required, allowed, in range, known words and areas.

Typed rows come in chunks, so that memory is bounded; all failing values of a chunk are collected, not the first.
A rule is the name of a pandera check; its sentence and repair stand in features/words/rules.toml.
"""

from __future__ import annotations

import functools
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow.parquet as pq

from features.feeds.contracts import TABLES, vocabulary
from features.feeds.profiles import Column, Profile
from features.project import Project
from features.strict import Words

FIRST_DAY = date(1900, 1, 1)
FURTHEST = timedelta(days=3660)
MOST_MINOR_UNITS = 10**15
CHUNK = 32_768


@functools.cache
def rules() -> Mapping[str, Mapping[str, Words]]:
    """Each rule's sentence and repair, in zh and en."""
    text = (resources.files("features") / "words" / "rules.toml").read_text(encoding="utf-8")
    return {
        rule: {
            "says": Words(zh=words["zh"], en=words["en"]),
            "repair": Words(zh=words["repair_zh"], en=words["repair_en"]),
        }
        for rule, words in tomllib.loads(text).items()
    }


def schema(project: Project, profile: Profile, areas: frozenset[str], received_on: date) -> pa.DataFrameSchema:
    """The pandera schema that profile and contract make together, over typed columns."""
    words, places = _words(project, profile), _feeding(profile, "area_code")
    columns = {}
    for name, column in profile.columns.items():
        checks = [*_range(column, received_on)]
        if column.allowed is not None:
            checks.append(_named(pa.Check.isin([_typed(value, column) for value in column.allowed]), "not_allowed"))
        if name in words:
            checks.append(_named(pa.Check.isin(sorted(words[name])), "word_unknown"))
        if name in places:
            checks.append(_named(pa.Check.isin(sorted(areas)), "area_unknown"))
        columns[name] = pa.Column(checks=checks, nullable=not column.required, required=False)
    for name in profile.identifiers:
        columns[name] = pa.Column(nullable=not profile.identifiers[name].required, required=False)
    columns["knowledge_date"] = pa.Column(
        checks=[_named(pa.Check.le(pd.Timestamp(received_on)), "knowledge_in_future")], nullable=False, required=False
    )
    return pa.DataFrameSchema(columns)


def _named(check: pa.Check, rule: str) -> pa.Check:
    check.name = rule
    check.error = rule
    return check


def _range(column: Column, received_on: date) -> Iterator[pa.Check]:
    if column.type == "date":
        last = received_on + FURTHEST
        yield _named(pa.Check.in_range(pd.Timestamp(FIRST_DAY), pd.Timestamp(last)), "date_absurd")
        if isinstance(column.minimum, date) or isinstance(column.maximum, date):
            low = column.minimum if isinstance(column.minimum, date) else FIRST_DAY
            high = column.maximum if isinstance(column.maximum, date) else last
            yield _named(pa.Check.in_range(pd.Timestamp(low), pd.Timestamp(high)), "out_of_range")
        return
    if column.type == "period":
        yield _named(pa.Check.in_range(str(FIRST_DAY.year), str(received_on.year + 11)), "date_absurd")
        return
    if column.type == "money":
        if not column.negative:
            yield _named(pa.Check.ge(0), "negative_amount")
        yield _named(pa.Check.in_range(-MOST_MINOR_UNITS, MOST_MINOR_UNITS), "amount_absurd")
        return
    if column.type in ("integer", "number"):
        if column.minimum is not None:
            yield _named(pa.Check.ge(column.minimum), "out_of_range")
        if column.maximum is not None:
            yield _named(pa.Check.le(column.maximum), "out_of_range")


def _typed(value: Any, column: Column) -> Any:
    return float(value) if column.type in ("integer", "number") else str(value)


def _feeding(profile: Profile, canonical: str) -> set[str]:
    return {
        rule.columns[canonical]
        for rule in profile.records
        if canonical in rule.columns and rule.columns[canonical] in profile.columns
    }


def _words(project: Project, profile: Profile) -> dict[str, set[str]]:
    """Source columns whose values become words of a closed list."""
    found: dict[str, set[str]] = {}
    for rule in profile.records:
        for canonical, source in rule.columns.items():
            contract = TABLES[rule.table].by_name.get(canonical)
            if contract is None or contract.vocabulary is None or source not in profile.columns:
                continue
            if rule.when.get(source):
                continue  # the record is made for stated values only
            found.setdefault(source, set()).update(vocabulary(project, contract.vocabulary))
    return found


def failures(checked: pa.DataFrameSchema, file: Path, columns: list[str]) -> Iterator[pd.DataFrame]:
    """All values of a file of typed rows that break a rule, chunk by chunk: line, column_name, rule, value."""
    reader = pq.ParquetFile(file)
    try:
        for batch in reader.iter_batches(CHUNK, columns=["line", *columns]):
            frame = batch.to_pandas(date_as_object=False).set_index("line")
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    checked.validate(frame, lazy=True, inplace=True)
            except pa.errors.SchemaErrors as errors:
                yield _collected(errors.failure_cases)
    finally:
        reader.close()


def _collected(cases: pd.DataFrame) -> pd.DataFrame:
    rule = cases["check"].astype(str).replace("not_nullable", "required")
    value = cases["failure_case"].map(lambda value: "" if value is None or value is pd.NaT else str(value))
    return pd.DataFrame(
        {
            "line": cases["index"].astype("int64"),
            "column_name": cases["column"].astype(str),
            "rule": rule,
            "value": value.where(rule != "required", ""),
        }
    )
