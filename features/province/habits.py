"""How each department sends its feeds: containers, encodings, and which column says when it knew and when it was."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from features.calendar import parse_period


@dataclass(frozen=True)
class Habit:
    """How a department sends a feed.

    Attributes:
        known: the column with the day on which the department knew.
        happened: the column with the day or period of what it tells, or the first of several that is filled.
        container: `csv`, `gb18030`, `xlsx`, `parquet` or `sqlite`.
        sheet: name of a workbook's sheet, or of a database's table.
    """

    known: str
    happened: str | tuple[str, ...]
    container: str = "csv"
    sheet: str = "数据"


HABITS = {
    "lines": Habit("公布日期", "生效日期", "gb18030"),
    "standards": Habit("公布日期", "生效日期"),
    "area_facts": Habit("发布日期", "月份"),
    "households": Habit("登记日期", "入住日期"),
    "dwellings": Habit("录入日期", "鉴定日期", "gb18030"),
    "members": Habit("更新日期", ("离户日期", "入户日期")),
    "register": Habit("登记日期", "发生日期"),
    "civil_registers": Habit("录入日期", "发生日期", "gb18030"),
    "funerals": Habit("录入日期", "办理日期"),
    "medical": Habit("入库日期", "就诊日期", "gb18030"),
    "contributions": Habit("上报日期", "缴费月份", "parquet"),
    "employers": Habit("上报日期", "月份", "parquet"),
    "unemployment": Habit("录入日期", "登记日期"),
    "pensions": Habit("上报日期", "发放月份", "parquet"),
    "pension_stops": Habit("录入日期", "停发日期"),
    "enrolment": Habit("上报日期", "参保年月", "parquet"),
    "emergency_aid": Habit("录入日期", "救治日期"),
    "care_assessments": Habit("录入日期", "评估日期"),
    "allowances": Habit("上报日期", "发放日期", "gb18030"),
    "power": Habit("上报日期", "用电年月"),
    "disability": Habit("录入日期", "评定日期", "xlsx", "证件"),
    "rehabilitation": Habit("录入日期", "服务日期"),
    "losses": Habit("登记日期", "受灾日期", "gb18030"),
    "businesses": Habit("公告日期", "注销日期", "sqlite", "zhuxiao"),
    "turnover": Habit("申报日期", "所属季度"),
    "farms": Habit("上报日期", "所属季度"),
    "farm_stops": Habit("登记日期", "停种日期"),
    "returns": Habit("登记日期", "返乡日期"),
    "school_entries": Habit("录入日期", "入学日期", "xlsx", "新生"),
    "student_aid": Habit("录入日期", "发放日期"),
    "verification": Habit("核对日期", "申报月份", "xlsx", "核对结果"),
    "classes": Habit("经办日期", ("停发日期", "纳入日期")),
    "payments": Habit("上报日期", "发放日期"),
    "visits": Habit("录入日期", "走访日期"),
    "referrals": Habit("更新日期", ("反馈日期", "转出日期")),
    "data_issues": Habit("录入日期", "发现日期"),
}


def happened_on(rows: pa.Table, habit: Habit) -> pa.ChunkedArray:
    """The day of what each row tells; of a period its last day."""
    columns = (habit.happened,) if isinstance(habit.happened, str) else habit.happened
    return pc.coalesce(*(_days(rows[name]) for name in columns))


def at_once(rows: pa.Table, habit: Habit) -> pa.Table:
    """The rows of a department that knows on the day; what it announced ahead it still announced."""
    place = rows.column_names.index(habit.known)
    known = pc.min_element_wise(rows[habit.known], happened_on(rows, habit), skip_nulls=False)
    return rows.set_column(place, habit.known, known)


def _days(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return column
    coded = column.combine_chunks().dictionary_encode()
    ends = [None if name is None else parse_period(name).end for name in coded.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(ends, pa.date32()).take(coded.indices)])
