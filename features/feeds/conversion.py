"""From source columns to typed columns, as SQL: every rule of a profile becomes an expression that streams.

Each column gets two expressions: its value, and whether the source's text could not be turned into one. Text that
means "no answer" is missing, which is a value and not a failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from features.feeds.headings import FULL_WIDTH, HALF_WIDTH, heading_of
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
DATED = re.compile(r"DATE|TIMESTAMP")
NUMERIC = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL)(\(.*\))?")
DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y年%m月%d日", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S")
MONTH_FORMATS = ("%Y-%m", "%Y/%m", "%Y%m", "%Y年%m月", "%Y.%m")
DIGITS = 10  # the digits stand first in FULL_WIDTH; codes keep their other marks as they are
BLANKS = " \t\r\n\v\f\u3000\u00a0\u200b\ufeff"
NUMBER = r"[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+|[0-9]*[.][0-9]+)([.][0-9]*)?"
EXCEL_DAY_0 = "1899-12-30"
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


def convert(profile: Profile, reading: Reading, currency: Currency, received_on: date) -> dict[str, Converted]:
    """Typed expressions for every column of the profile, over the reading's own columns."""
    sources = {name: heading_of(name, column, reading.types) for name, column in profile.columns.items()}
    converted = {name: _converted(name, column, sources, reading, currency) for name, column in profile.columns.items()}
    day = f"coalesce({_row_day(profile, converted)}, DATE '{received_on.isoformat()}')"
    return {
        name: _recoded(item, profile.columns[name], day) if profile.columns[name].type == "code" else item
        for name, item in converted.items()
    }


def _row_day(profile: Profile, columns: Mapping[str, Converted]) -> str:
    """The row's own day, by which dated code lists are chosen: the day its knowledge is counted from."""
    knowledge = profile.knowledge
    name = knowledge.column or knowledge.after or knowledge.end_of
    if name is None:
        return "CAST(NULL AS DATE)"
    values = {key: f"({column.value})" for key, column in columns.items()}
    types = {key: column.type for key, column in columns.items()}
    for key, derived in profile.derive.items():
        if key == name or name not in values:
            types[key], expression = derive(derived, types, values)
            values[key] = f"({expression})"
    return period_edge(values[name], end=True) if knowledge.end_of else values[name]


def _recoded(item: Converted, column: Column, day: str) -> Converted:
    """A code in the project's words, by the list that was in force on the row's own day."""
    if not column.recode and not column.recode_since:
        return item
    value = _words(item.value, column.recode)
    for change in sorted(column.recode_since, key=lambda change: change.since):
        since = f"{day} >= DATE '{change.since.isoformat()}'"
        value = f"CASE WHEN {since} THEN {_words(item.value, change.codes)} ELSE {value} END"
    return replace(item, value=value, failed=f"(({item.value}) IS NOT NULL AND ({value}) IS NULL)")


def _words(raw: str, codes: Mapping[str, Scalar]) -> str:
    if not codes:
        return raw
    cases = " ".join(f"WHEN {literal(_plain_code(code))} THEN {literal(_shown(word))}" for code, word in codes.items())
    return f"CASE {raw} {cases} END"


def _plain_code(code: str) -> str:
    return code.translate(str.maketrans(FULL_WIDTH[:DIGITS], HALF_WIDTH[:DIGITS])).strip(BLANKS)


def _converted(
    name: str,
    column: Column,
    sources: Mapping[str, str | None],
    reading: Reading,
    currency: Currency,
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
    dated = DATED.match(reading.types[heading]) is not None and column.type in ("date", "period")
    if numeric:
        raw = _number(heading, reading, exact=column.type == "money")
    elif dated:
        raw = f"CAST(CAST({quoted(heading)} AS DATE) AS VARCHAR)"
        column = column.model_copy(update={"format": None})  # the column's own type says which day is meant
    else:
        raw = _text(heading, reading, tidy={"text": "", "code": "digits"}.get(column.type, "marks"))
    raw = _without_missing(raw, column, sources, reading, numeric=numeric)
    if dated and column.type == "date":
        return Converted(kind, f"TRY_CAST({raw} AS DATE)", "false", heading)
    value = _numeric_value(raw, column, currency) if numeric else _text_value(raw, column, currency)
    return Converted(kind, value, f"(({raw}) IS NOT NULL AND ({value}) IS NULL)", heading)


# --- what stands in the source ------------------------------------------------------------------------------------


def _text(heading: str, reading: Reading, *, tidy: str) -> str:
    """A source column as text: trimmed, empty as missing; `tidy` makes full-width digits, or marks too, half-width."""
    name, kind = quoted(heading), reading.types[heading]
    if kind in ("FLOAT", "DOUBLE"):
        whole = f"{name} = trunc({name}) AND abs({name}) < 1e15"
        return (
            f"CASE WHEN {name} IS NULL OR isnan({name}) THEN NULL WHEN {whole} "
            f"THEN CAST(CAST({name} AS BIGINT) AS VARCHAR) ELSE CAST({name} AS VARCHAR) END"
        )
    if kind == "BOOLEAN":
        return f"CASE {name} WHEN true THEN '1' WHEN false THEN '0' END"
    if heading in reading.tidy:
        return name
    text = name if kind == "VARCHAR" else f"CAST({name} AS VARCHAR)"
    if tidy and kind == "VARCHAR":
        count = DIGITS if tidy == "digits" else len(FULL_WIDTH)
        text = f"translate({text}, {literal(FULL_WIDTH[:count])}, {literal(HALF_WIDTH[:count])})"
    return f"nullif(trim({text}, {literal(BLANKS)}), '')" if kind == "VARCHAR" else text


def _number(heading: str, reading: Reading, *, exact: bool = False) -> str:
    name = quoted(heading)
    if reading.types[heading] in ("FLOAT", "DOUBLE"):
        return f"CASE WHEN isnan({name}) THEN NULL ELSE CAST({name} AS DOUBLE) END"
    return name if exact else f"CAST({name} AS DOUBLE)"


def source_text(heading: str, reading: Reading) -> str:
    """What stands in the source, as text, for people."""
    return _text(heading, reading, tidy="")


def _without_missing(
    raw: str,
    column: Column,
    sources: Mapping[str, str | None],
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
        value = _number(heading, reading) if beside else _text(heading, reading, tidy="marks")
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
    texts = [_text(part, reading, tidy="marks") for part in parts]
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
    return _minor(f"CASE WHEN abs({raw}) < 1e15 THEN {raw} END", column, currency)


def _minor(number: str, column: Column, currency: Currency) -> str:
    """An amount in whole smallest units: exact decimal arithmetic, half a unit away from zero."""
    factor = Decimal(minor_units(column, currency)) * Decimal(str(column.scale))
    exact = f"TRY_CAST({number} AS DECIMAL(30, 8))"
    return f"TRY_CAST(round({exact} * CAST('{factor:f}' AS DECIMAL(14, 6))) AS BIGINT)"


def _text_value(raw: str, column: Column, currency: Currency) -> str:
    if column.type in ("text", "code"):
        return raw
    if column.type == "date":
        return _date(raw, column)
    if column.type == "period":
        return _period(raw, column)
    if column.type == "flag":
        lower = f"lower({raw})"
        yes, no = ", ".join(map(literal, YES)), ", ".join(map(literal, NO))
        return f"CASE WHEN {lower} IN ({yes}) THEN true WHEN {lower} IN ({no}) THEN false END"
    plain = _plain(raw, exponent=column.type != "money")
    if column.type == "money":
        return _minor(plain, column, currency)
    number = f"TRY_CAST({plain} AS DOUBLE)"
    if column.type == "integer":
        return f"CASE WHEN {number} = trunc({number}) AND abs({number}) < 9e15 THEN CAST({number} AS BIGINT) END"
    return f"CASE WHEN isfinite({number}) THEN {number} * {column.scale!r} END"


def _plain(raw: str, *, exponent: bool) -> str:
    """Digits of a number as people write it; commas only between thousands, for `12,50` is not 1250."""
    bare = f"regexp_replace({raw}, '[¥￥ ]|元$', '', 'g')"
    pattern = NUMBER + (r"([eE][+-]?[0-9]{1,3})?" if exponent else "")
    return f"CASE WHEN regexp_full_match({bare}, '{pattern}') THEN replace({bare}, ',', '') END"


def _date(raw: str, column: Column) -> str:
    if column.format == "excel":
        serial = f"TRY_CAST({raw} AS DOUBLE)"
        return (
            f"CASE WHEN {serial} BETWEEN 1 AND 2958465 THEN DATE '{EXCEL_DAY_0}' + CAST(floor({serial}) AS INTEGER) END"
        )
    formats = [column.format] if column.format else list(DATE_FORMATS)
    listed = "[" + ", ".join(map(literal, formats)) + "]"
    return f"CAST(try_strptime({raw}, {listed}) AS DATE)"


def _period(raw: str, column: Column) -> str:
    """Canonical text of a period (data contract, rule 8)."""
    if column.format:
        shape = "%G-W%V" if "%V" in column.format else "%Y-%m" if re.search("%[mbB]", column.format) else "%Y"
        return f"strftime(try_strptime({raw}, {literal(column.format)}), '{shape}')"
    months = "[" + ", ".join(map(literal, MONTH_FORMATS)) + "]"
    days = "[" + ", ".join(map(literal, DATE_FORMATS)) + "]"
    week = f"try_strptime(replace({raw}, '-W', '-') || '-1', '%G-%V-%u')"
    quarter = r"^([0-9]{4})[-年]?第?Q?([1-4])(季度?)?$"
    return (
        f"CASE WHEN regexp_full_match({raw}, '[0-9]{{4}}(-Q[1-4])?') THEN {raw} "
        f"WHEN regexp_full_match({raw}, '[0-9]{{4}}-W[0-9]{{2}}') THEN "
        f"CASE WHEN strftime({week}, '%G-W%V') = {raw} THEN {raw} END "
        f"WHEN try_strptime({raw}, {months}) IS NOT NULL THEN strftime(try_strptime({raw}, {months}), '%Y-%m') "
        f"WHEN try_strptime({raw}, {days}) IS NOT NULL THEN strftime(try_strptime({raw}, {days}), '%Y-%m') "
        f"WHEN regexp_matches({raw}, '[Q季]') AND regexp_matches({raw}, '{quarter}') "
        f"THEN regexp_replace({raw}, '{quarter}', '\\1-Q\\2') "
        f"WHEN regexp_full_match({raw}, '[0-9]{{4}}年') THEN left({raw}, 4) END"
    )


# --- derived columns ------------------------------------------------------------------------------------------------


def period_edge(period: str, *, end: bool) -> str:
    """First or last day of a canonical period text."""
    year = f"TRY_CAST(substr({period}, 1, 4) AS INTEGER)"
    rest = f"TRY_CAST(substr({period}, 7) AS INTEGER)"
    quarter = f"make_date({year}, {rest} * 3 - 2, 1)"
    week = f"CAST(try_strptime(replace({period}, '-W', '-') || '-1', '%G-%V-%u') AS DATE)"
    month = f"TRY_CAST({period} || '-01' AS DATE)"
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


def derive(derived: Derived, types: Mapping[str, str], values: Mapping[str, str] | None = None) -> tuple[str, str]:
    """SQL type and expression of a derived column over typed columns, or over the expressions given for them."""

    def of(name: str) -> str:
        return quoted(name) if values is None else values[name]

    if derived.constant is not None:
        return _constant(derived.constant)
    if derived.concat is not None:
        return "VARCHAR", " || '|' || ".join(f"CAST({of(part)} AS VARCHAR)" for part in derived.concat)
    if derived.period is not None:
        return "VARCHAR", _period_of_parts([of(part) for part in derived.period], derived.grain)
    if derived.period_of is not None:
        return "VARCHAR", period_holding(of(derived.period_of), derived.grain)
    if derived.period_start is not None:
        return "DATE", period_edge(of(derived.period_start), end=False)
    if derived.period_end is not None:
        return "DATE", period_edge(of(derived.period_end), end=True)
    if derived.total is not None:
        kind = types[derived.total[0]]
        terms = " + ".join(f"coalesce({of(part)}, 0)" for part in derived.total)
        some = " OR ".join(f"{of(part)} IS NOT NULL" for part in derived.total)
        return kind, f"CASE WHEN {some} THEN {terms} END"
    assert derived.difference is not None
    return types[derived.difference[0]], " - ".join(of(part) for part in derived.difference)


def _constant(value: Scalar) -> tuple[str, str]:
    if isinstance(value, bool):
        return "BOOLEAN", str(value).lower()
    if isinstance(value, int | float):
        return "DOUBLE", repr(float(value))
    return "VARCHAR", literal(value)


def _period_of_parts(parts: list[str], grain: str) -> str:
    year, *rest = (f"TRY_CAST({part} AS BIGINT)" for part in parts)
    text = f"CASE WHEN {year} BETWEEN 1000 AND 9998 THEN CAST({year} AS VARCHAR) END"
    if grain == "year":
        return text
    number = f"CAST({rest[0]} AS VARCHAR)"
    if grain == "quarter":
        return f"CASE WHEN {rest[0]} BETWEEN 1 AND 4 THEN {text} || '-Q' || {number} END"
    if grain == "month":
        return f"CASE WHEN {rest[0]} BETWEEN 1 AND 12 THEN {text} || '-' || lpad({number}, 2, '0') END"
    week = f"{text} || '-W' || lpad({number}, 2, '0')"
    monday = f"try_strptime({text} || '-' || lpad({number}, 2, '0') || '-1', '%G-%V-%u')"
    return f"CASE WHEN {rest[0]} BETWEEN 1 AND 53 AND strftime({monday}, '%G-W%V') = {week} THEN {week} END"


def period_holding(day: str, grain: str) -> str:
    """Canonical text of the period of a grain that holds a day."""
    if grain == "week":
        return f"strftime({day}, '%G-W%V')"
    if grain == "month":
        return f"strftime({day}, '%Y-%m')"
    if grain == "quarter":
        return f"strftime({day}, '%Y') || '-Q' || quarter({day})"
    return f"strftime({day}, '%Y')"
