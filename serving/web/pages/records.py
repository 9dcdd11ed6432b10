"""Records behind a reason: what one feed says of a household, each with its source row; and which feeds there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from features.strict import Words
from serving.recorded import SourceRecord, shown_value, tables_of
from serving.web.office import Office
from serving.web.showing import in_one_look, show
from serving.web.telling import case_id_of
from serving.web.visitor import OfficeOf, PageError, Staff, staff

router = APIRouter()
Reading = Annotated[Staff, Depends(staff("village", "town", "county"))]
COLUMNS: Mapping[str, Words] = {
    "kind": Words(zh="类别", en="kind"),
    "detail": Words(zh="细类", en="detail"),
    "source": Words(zh="来源", en="source"),
    "amount": Words(zh="金额", en="amount"),
    "value": Words(zh="数值", en="value"),
    "unit": Words(zh="单位", en="unit"),
    "covered_insurance": Words(zh="医保支付", en="paid by insurance"),
    "covered_assistance": Words(zh="救助支付", en="paid by assistance"),
    "eligible_amount": Words(zh="目录内金额", en="eligible amount"),
    "place": Words(zh="地点", en="place"),
    "is_estimate": Words(zh="估算", en="estimate"),
    "severity": Words(zh="程度", en="severity"),
    "category": Words(zh="类别", en="class"),
    "programme": Words(zh="救助项目", en="programme"),
    "action": Words(zh="办理", en="action"),
    "policy_clause": Words(zh="政策条款", en="clause"),
    "period": Words(zh="所属期", en="period"),
    "relation": Words(zh="与户主关系", en="relation"),
    "sex": Words(zh="性别", en="sex"),
    "birth_month": Words(zh="出生年月", en="month of birth"),
    "work_state": Words(zh="就业状态", en="work"),
    "education_stage": Words(zh="学段", en="stage of school"),
    "disability_grade": Words(zh="残疾等级", en="grade of disability"),
    "illness": Words(zh="疾病", en="illness"),
    "registration": Words(zh="户籍", en="registration"),
    "residence": Words(zh="居住地", en="residence"),
    "housing_tenure": Words(zh="住房", en="tenure"),
    "housing_grade": Words(zh="住房安全等级", en="grade of the dwelling"),
    "need_code": Words(zh="需求", en="need"),
    "feedback_code": Words(zh="反馈", en="answer"),
    "department": Words(zh="部门", en="department"),
    "validity_code": Words(zh="分类结果", en="finding"),
    "end_reason": Words(zh="终止原因", en="reason of the end"),
    "leave_reason": Words(zh="离开原因", en="reason of leaving"),
}
"""Columns of the contract in words; what has none is not shown."""
UNITS: Mapping[str, Words] = {
    "yuan": Words(zh="元", en="yuan"),
    "band": Words(zh="档", en="band"),
    "kWh": Words(zh="千瓦时", en="kWh"),
    "points": Words(zh="分", en="points"),
    "mu": Words(zh="亩", en="mu"),
    "flag": Words(zh="是否", en="yes or no"),
}
NOBODYS = frozenset({"area", "area_reading", "assistance_line", "schedule", "employer_month"})
"""Tables that speak of no household."""
QUIET = frozenset({"selection_probability", "reason_verdicts", "visit_id", "source"})
"""Columns of outcomes that would tell how a household came on a list."""


@router.get("/households/{household_id}/records")
@in_one_look
def feeds(request: Request, household_id: str, office: OfficeOf, who: Reading) -> Response:
    """Feeds that may say something of a household, by department."""
    view = office.desk.view(who.actor, case_id_of(office, household_id))
    project = office.project
    named = [
        (feed, one.name, project.departments[one.department].name)
        for feed, one in project.feeds.items()
        if _of_households(office, feed)
    ]
    return show(request, "records.html", case=view.case, feeds=named, chosen=None, rows=[], columns=[])


@router.get("/households/{household_id}/records/{feed}")
def records(request: Request, household_id: str, feed: str, office: OfficeOf, who: Reading) -> Response:
    """What one feed says, newest first; the look is written down."""
    view = office.desk.view(who.actor, case_id_of(office, household_id))
    project = office.project
    if feed not in project.feeds or not _of_households(office, feed):
        raise PageError(404)
    office.desk.note(who.actor, "view", view.case.household_id, records=feed)
    found = office.recorded(view.case.household_id, feed)
    used = {name for row in found for name in row.values}
    columns = [
        name for name in COLUMNS
        if name in used and not (name in QUIET and any(row.table == "outcome" for row in found))
    ]  # fmt: skip
    rows = [(row, [_cell(row, name, who, project.currency.minor_units) for name in columns]) for row in found]
    return show(
        request, "records.html", case=view.case, feeds=[], chosen=project.feeds[feed],
        department=project.departments[project.feeds[feed].department].name, rows=rows,
        columns=[COLUMNS[name] for name in columns], today=office.desk.rules.day(office.desk.now()),
    )  # fmt: skip


def _of_households(office: Office, feed: str) -> bool:
    """Feeds about households or their members; lines, fees and areas are nobody's."""
    return bool(
        set(tables_of(office.project, feed)) - {"area", "area_reading", "assistance_line", "schedule", "employer_month"}
    )


def _cell(row: SourceRecord, name: str, who: Staff, minor_units: int) -> str:
    value = row.values.get(name)
    if value is None:
        return "—"
    if name in row.money:
        return f"{value / minor_units:,.0f} {who.say('元', 'yuan')}"
    if isinstance(value, bool):
        return who.say("是", "yes") if value else who.say("否", "no")
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    words = UNITS.get(str(value)) if name == "unit" else shown_value(row.table, name, value)
    return who.word(words) if words is not None else str(value)
