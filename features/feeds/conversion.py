"""From source columns to typed columns, as SQL: every rule of a profile becomes an expression that streams.

Each column gets two expressions: its value, and whether the source's text could not be turned into one. Text that
means "no answer" is missing, which is a value and not a failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from features.feeds.profiles import Column, Derived, Profile, Scalar
from features.feeds.reading import Reading, literal, quoted
from features.project import Currency

SQL_TYPES: Mapping[str, str] = {
    "text": "VARCHAR",
    "code": "VARCHAR",
    "period": "VARCHAR",
    "date": "DATE",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "money": "BIGINT",
    "flag": "BOOLEAN",
}
NUMERIC = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL)(\(.*\))?")
DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y年%m月%d日", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S")
MONTH_FORMATS = ("%Y-%m", "%Y/%m", "%Y%m", "%Y年%m月", "%Y.%m")
FULL_WIDTH = "０１２３４５６７８９．，－／：　"
HALF_WIDTH = "0123456789.,-/: "
YES = ("1", "true", "t", "yes", "y", "是", "有")
NO = ("0", "2", "false", "f", "no", "n", "否", "无")


@dataclass(frozen=True)
class Converted:
    """A typed column: its SQL type, its value, and a test that is true where the source could not be read."""

    type: str
    value: str
    failed: str
    source: str | None
    """Heading in the delivery; None where the delivery has no such column."""


def heading_of(name: str, column: Column, headings: Mapping[str, str]) -> str | None:
    """The delivery's heading for a profile column: its name, an alias, or the same with other spaces and case."""
    for wanted in (name, *column.aliases):
        if wanted in headings:
            return wanted
    folded = {_fold(heading): heading for heading in headings}
    return next((folded[_fold(wanted)] for wanted in (name, *column.aliases) if _fold(wanted) in folded), None)


def _fold(text: str) -> str:
    return re.sub(r"\s+", "", text.translate(str.maketrans(FULL_WIDTH, HALF_WIDTH))).casefold()


def convert(profile: Profile, reading: Reading, currency: Currency, received_on: date) -> dict[str, Converted]:
    """Typed expressions for every column of the profile, over the reading's own columns."""
    sources = {name: heading_of(name, column, reading.types) for name, column in profile.columns.items()}
    return {
        name: _converted(name, column, sources, profile, reading, currency, received_on)
        for name, column in profile.columns.items()
    }


def _converted(
    name: str,
    column: Column,
    sources: Mapping[str, str | None],
    profile: Profile,
    reading: Reading,
    currency: Currency,
    received_on: date,
) -> Converted:
    kind = SQL_TYPES[column.type]
    heading = sources[name]
    if heading is None:
        parts = _parts(column, reading)
        if parts:
            value = _folded(column, parts, reading)
            return Converted(kind, f"CAST({value} AS {kind})", "false", parts[0])
        return Converted(kind, f"CAST(NULL AS {kind})", "false", None)
    numeric = NUMERIC.fullmatch(reading.types[heading]) is not None and column.type in ("integer", "number", "money")
    raw = _number(heading, reading) if numeric else _text(heading, reading, tidy=column.type not in ("text", "code"))
    raw = _without_missing(raw, column, sources, profile, reading, numeric=numeric)
    value = _numeric_value(raw, column, currency) if numeric else _text_value(raw, column, currency, received_on)
    return Converted(kind, value, f"(({raw}) IS NOT NULL AND ({value}) IS NULL)", heading)


# --- what stands in the source ------------------------------------------------------------------------------------


def _text(heading: str, reading: Reading, *, tidy: bool) -> str:
    """A source column as text: trimmed, empty as missing; with `tidy`, full-width digits and marks made half-width."""
    name, kind = quoted(heading), reading.types[heading]
    if kind in ("FLOAT", "DOUBLE"):
        whole = f"{name} = trunc({name}) AND abs({name}) < 1e15"
        return (
            f"CASE WHEN {name} IS NULL OR isnan({name}) THEN NULL WHEN {whole} "
            f"THEN CAST(CAST({name} AS BIGINT) AS VARCHAR) ELSE CAST({name} AS VARCHAR) END"
        )
    if kind == "BOOLEAN":
        return f"CASE {name} WHEN true THEN '1' WHEN false THEN '0' END"
    text = name if kind == "VARCHAR" else f"CAST({name} AS VARCHAR)"
    if tidy:
        text = f"translate({text}, {literal(FULL_WIDTH)}, {literal(HALF_WIDTH)})"
    return f"nullif(trim({text}), '')" if kind == "VARCHAR" else text


def _number(heading: str, reading: Reading) -> str:
    name = quoted(heading)
    if reading.types[heading] in ("FLOAT", "DOUBLE"):
        return f"CASE WHEN isnan({name}) THEN NULL ELSE CAST({name} AS DOUBLE) END"
    return f"CAST({name} AS DOUBLE)"


def source_text(heading: str, reading: Reading) -> str:
    """What stands in the source, as text, for people."""
    return _text(heading, reading, tidy=False)


def _without_missing(
    raw: str,
    column: Column,
    sources: Mapping[str, str | None],
    profile: Profile,
    reading: Reading,
    *,
    numeric: bool,
) -> str:
    """NULL where the value, or another column beside it, says that there is no answer."""
    tests = []
    if column.missing:
        tests.append(f"({raw}) IN ({_listed(column.missing, numeric=numeric)})")
    for other, codes in column.missing_when.items():
        heading = sources.get(other)
        if heading is None:
            continue
        beside = NUMERIC.fullmatch(reading.types[heading]) is not None
        value = _number(heading, reading) if beside else _text(heading, reading, tidy=True)
        tests.append(f"coalesce(({value}) IN ({_listed(codes, numeric=beside)}), false)")
    return f"CASE WHEN {' OR '.join(tests)} THEN NULL ELSE {raw} END" if tests else raw


def _listed(values: list[Scalar], *, numeric: bool) -> str:
    if numeric:
        return ", ".join(str(float(value)) for value in values if _is_number(value)) or "NULL"
    return ", ".join(literal(_shown(value)) for value in values)


def _is_number(value: Scalar) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _shown(value: Scalar) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


# --- one answer that later files split ------------------------------------------------------------------------------


def _parts(column: Column, reading: Reading) -> list[str]:
    return [heading for heading in reading.types if column.parts and re.fullmatch(column.parts, heading)]


def _folded(column: Column, parts: list[str], reading: Reading) -> str:
    """Yes if any part is yes, no if all are no, else missing."""
    texts = [_text(part, reading, tidy=True) for part in parts]
    yes, no = literal(_shown(column.yes)), literal(_shown(column.no))
    any_yes = " OR ".join(f"coalesce(({text}) = {yes}, false)" for text in texts)
    all_no = " AND ".join(f"coalesce(({text}) = {no}, false)" for text in texts)
    return f"CASE WHEN {any_yes} THEN {yes} WHEN {all_no} THEN {no} END"


# --- values ---------------------------------------------------------------------------------------------------------


def minor_units(column: Column, currency: Currency) -> int:
    """How many smallest units one delivered unit is."""
    units = {
        "minor": 1,
        "major": currency.minor_units,
        "fen": 1,
        "jiao": currency.minor_units // 10,
        "yuan": currency.minor_units,
        "wan": currency.minor_units * 10_000,
    }
    return units[column.unit]


def _numeric_value(raw: str, column: Column, currency: Currency) -> str:
    if column.type == "integer":
        return f"CASE WHEN ({raw}) = trunc({raw}) AND abs({raw}) < 9e15 THEN CAST(({raw}) AS BIGINT) END"
    if column.type == "number":
        scaled = f"({raw}) * {column.scale!r}" if column.scale != 1 else raw
        return f"CASE WHEN isfinite({raw}) THEN {scaled} END"
    factor = minor_units(column, currency) * column.scale
    return f"CASE WHEN abs({raw}) < 1e15 THEN CAST(round(({raw}) * {factor!r}) AS BIGINT) END"


def _text_value(raw: str, column: Column, currency: Currency, received_on: date) -> str:
    if column.type == "text":
        return raw
    if column.type == "code":
        return _code(raw, column, received_on)
    plain = f"regexp_replace({raw}, '[,¥￥ ]|元$', '', 'g')"
    if column.type == "integer":
        number = f"TRY_CAST({plain} AS DOUBLE)"
        return f"CASE WHEN {number} = trunc({number}) AND abs({number}) < 9e15 THEN CAST({number} AS BIGINT) END"
    if column.type == "number":
        number = f"TRY_CAST({plain} AS DOUBLE)"
        return f"CASE WHEN isfinite({number}) THEN {number} * {column.scale!r} END"
    if column.type == "money":
        factor = Decimal(minor_units(column, currency)) * Decimal(str(column.scale))
        digits = f"regexp_full_match({plain}, '[+-]?[0-9]{{1,15}}([.][0-9]*)?')"
        exact = f"TRY_CAST({plain} AS DECIMAL(30, 8))"
        return f"CASE WHEN {digits} THEN CAST(round({exact} * CAST('{factor}' AS DECIMAL(14, 6))) AS BIGINT) END"
    if column.type == "date":
        return _date(raw, column)
    if column.type == "period":
        return _period(raw, column)
    lower = f"lower({raw})"
    yes, no = ", ".join(map(literal, YES)), ", ".join(map(literal, NO))
    return f"CASE WHEN {lower} IN ({yes}) THEN true WHEN {lower} IN ({no}) THEN false END"


def _code(raw: str, column: Column, received_on: date) -> str:
    """A code in the project's words; the list that was in force when the delivery was received."""
    codes = dict(column.recode)
    for change in sorted(column.recode_since, key=lambda item: item.since):
        if change.since <= received_on:
            codes = dict(change.codes)
    if not codes:
        return raw
    cases = " ".join(f"WHEN {literal(str(code))} THEN {literal(_shown(word))}" for code, word in codes.items())
    return f"CASE {raw} {cases} END"


def _date(raw: str, column: Column) -> str:
    formats = [column.format] if column.format else list(DATE_FORMATS)
    listed = "[" + ", ".join(map(literal, formats)) + "]"
    return f"CAST(try_strptime({raw}, {listed}) AS DATE)"


def _period(raw: str, column: Column) -> str:
    """Canonical text of a period (data contract, rule 8)."""
    if column.format:
        return f"strftime(try_strptime({raw}, {literal(column.format)}), '%Y-%m')"
    months = "[" + ", ".join(map(literal, MONTH_FORMATS)) + "]"
    days = "[" + ", ".join(map(literal, DATE_FORMATS)) + "]"
    return (
        f"CASE WHEN regexp_full_match({raw}, '[0-9]{{4}}(-Q[1-4]|-W(0[1-9]|[1-4][0-9]|5[0-3]))?') THEN {raw} "
        f"WHEN try_strptime({raw}, {months}) IS NOT NULL THEN strftime(try_strptime({raw}, {months}), '%Y-%m') "
        f"WHEN try_strptime({raw}, {days}) IS NOT NULL THEN strftime(try_strptime({raw}, {days}), '%Y-%m') END"
    )


# --- derived columns ------------------------------------------------------------------------------------------------


def period_edge(period: str, *, end: bool) -> str:
    """First or last day of a canonical period text."""
    year = f"CAST(substr({period}, 1, 4) AS INTEGER)"
    rest = f"CAST(substr({period}, 7) AS INTEGER)"
    quarter = f"make_date({year}, {rest} * 3 - 2, 1)"
    week = f"CAST(strptime(replace({period}, '-W', '-') || '-1', '%G-%V-%u') AS DATE)"
    month = f"CAST({period} || '-01' AS DATE)"
    whole = f"make_date({year}, 1, 1)"
    if not end:
        return (
            f"CASE WHEN {period} LIKE '%-Q_' THEN {quarter} WHEN {period} LIKE '%-W__' THEN {week} "
            f"WHEN length({period}) = 7 THEN {month} WHEN length({period}) = 4 THEN {whole} END"
        )
    return (
        f"CASE WHEN {period} LIKE '%-Q_' THEN CAST({quarter} + INTERVAL 3 MONTH - INTERVAL 1 DAY AS DATE) "
        f"WHEN {period} LIKE '%-W__' THEN {week} + 6 WHEN length({period}) = 7 THEN last_day({month}) "
        f"WHEN length({period}) = 4 THEN make_date({year}, 12, 31) END"
    )


def derive(derived: Derived, types: Mapping[str, str]) -> tuple[str, str]:
    """SQL type and expression of a derived column over typed columns."""
    if derived.constant is not None:
        return _constant(derived.constant)
    if derived.concat is not None:
        parts = [f"CAST({quoted(part)} AS VARCHAR)" for part in derived.concat]
        return "VARCHAR", " || '|' || ".join(parts)
    if derived.period is not None:
        return "VARCHAR", _period_of_parts(derived)
    if derived.period_of is not None:
        return "VARCHAR", period_holding(quoted(derived.period_of), derived.grain)
    if derived.period_start is not None:
        return "DATE", period_edge(quoted(derived.period_start), end=False)
    if derived.period_end is not None:
        return "DATE", period_edge(quoted(derived.period_end), end=True)
    if derived.total is not None:
        kind = types[derived.total[0]]
        terms = " + ".join(f"coalesce({quoted(part)}, 0)" for part in derived.total)
        some = " OR ".join(f"{quoted(part)} IS NOT NULL" for part in derived.total)
        return kind, f"CASE WHEN {some} THEN {terms} END"
    assert derived.difference is not None
    return types[derived.difference[0]], " - ".join(quoted(part) for part in derived.difference)


def _constant(value: Scalar) -> tuple[str, str]:
    if isinstance(value, bool):
        return "BOOLEAN", str(value).lower()
    if isinstance(value, int | float):
        return "DOUBLE", repr(float(value))
    return "VARCHAR", literal(value)


def _period_of_parts(derived: Derived) -> str:
    assert derived.period is not None
    year, *rest = (f"CAST({quoted(part)} AS BIGINT)" for part in derived.period)
    text = f"lpad(CAST({year} AS VARCHAR), 4, '0')"
    if derived.grain == "year":
        return text
    number = f"CAST({rest[0]} AS VARCHAR)"
    if derived.grain == "quarter":
        return f"CASE WHEN {rest[0]} BETWEEN 1 AND 4 THEN {text} || '-Q' || {number} END"
    if derived.grain == "month":
        return f"CASE WHEN {rest[0]} BETWEEN 1 AND 12 THEN {text} || '-' || lpad({number}, 2, '0') END"
    return f"CASE WHEN {rest[0]} BETWEEN 1 AND 53 THEN {text} || '-W' || lpad({number}, 2, '0') END"


def period_holding(day: str, grain: str) -> str:
    """Canonical text of the period of a grain that holds a day."""
    if grain == "week":
        return f"strftime({day}, '%G-W%V')"
    if grain == "month":
        return f"strftime({day}, '%Y-%m')"
    if grain == "quarter":
        return f"strftime({day}, '%Y') || '-Q' || quarter({day})"
    return f"strftime({day}, '%Y')"
