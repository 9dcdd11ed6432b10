"""Visit sheets: households on paper, as PDF or as a page to print. What leaves the house is written down."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import HTMLResponse, Response

from features.errors import UsageError
from reports.visit_sheet import Sheet, short_code, to_html, to_pdf
from serving.casework import worklist
from serving.casework.sheets import sheet_of
from serving.web.files import file_answer
from serving.web.office import Office
from serving.web.rendering import versioned
from serving.web.telling import case_id_of, chain_of, day_of, told_of
from serving.web.visitor import OfficeOf, PostedOf, Staff, staff

router = APIRouter()
Visiting = Annotated[Staff, Depends(staff("village", "town", "county"))]
Offices = Annotated[Staff, Depends(staff("town", "county"))]
MOST_SHEETS = 50
"""Sheets that are printed together; a page of a list has fewer."""


@router.get("/households/{household_id}/sheet")
def sheet(household_id: str, office: OfficeOf, who: Visiting) -> Response:
    """The sheet as a page."""
    made = _sheet(office, who, case_id_of(office, household_id))
    here = f"/households/{made.household}"
    links = [
        (here, who.say("返回家庭页面", "Back to the household")),
        (f"{here}/sheet.pdf", who.say("下载 PDF", "Download as PDF")),
    ]
    text = to_html(made, who.language, stylesheet=versioned("visit_sheet.css"), links=links)
    _told(office, who, made, text.encode())
    return HTMLResponse(text)


@router.get("/households/{household_id}/sheet.pdf")
def sheet_pdf(household_id: str, office: OfficeOf, who: Visiting) -> Response:
    """The sheet as PDF."""
    made = _sheet(office, who, case_id_of(office, household_id))
    content = to_pdf(made, language=who.language)
    _told(office, who, made, content)
    return file_answer(content, f"visit-{short_code(made.household)}.pdf", inline=True)


@router.post("/sheets")
def sheets_pdf(office: OfficeOf, who: Offices, form: PostedOf) -> Response:
    """The sheets of the chosen households in one PDF."""
    chosen = list(dict.fromkeys(text.partition(":")[0] for text in form.many("case")))
    if not 0 < len(chosen) <= MOST_SHEETS:
        raise UsageError("sheets_chosen", chosen=len(chosen), most=MOST_SHEETS)
    made = [_sheet(office, who, case_id_of(office, one)) for one in worklist.households_of(office.desk, chosen)]
    if not made:
        raise UsageError("case_unknown")
    content = to_pdf(*made, language=who.language)
    for one in made:
        _told(office, who, one, content)
    return file_answer(content, f"visits-{made[0].at:%Y-%m-%d}.pdf", inline=True)


def _sheet(office: Office, who: Staff, case_id: str) -> Sheet:
    view = office.desk.view(who.actor, case_id)
    told = told_of(office, view)
    chain = chain_of(office, who.actor, view.case, told)
    return sheet_of(office.desk, who.actor, view, chain, day_of(told))


def _told(office: Office, who: Staff, made: Sheet, content: bytes) -> None:
    office.desk.exported(who.actor, made.household, 1, hashlib.sha256(content).hexdigest())
