"""Visit sheets: one household on paper, as PDF or as a page to print. What leaves the house is written down."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import HTMLResponse, Response

from reports.visit_sheet import Sheet, short_code, to_html, to_pdf
from serving.casework.sheets import sheet_of
from serving.web.office import Office
from serving.web.rendering import versioned
from serving.web.telling import case_id_of, chain_of, day_of, told_of
from serving.web.visitor import OfficeOf, Staff, staff

router = APIRouter()
Visiting = Annotated[Staff, Depends(staff("village", "town", "county"))]


@router.get("/households/{household_id}/sheet")
def sheet(household_id: str, office: OfficeOf, who: Visiting) -> Response:
    """The sheet as a page."""
    made = _sheet(office, who, household_id)
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
    made = _sheet(office, who, household_id)
    content = to_pdf(made, who.language)
    _told(office, who, made, content)
    name = f"visit-{short_code(made.household)}.pdf"
    return Response(
        content, media_type="application/pdf", headers={"content-disposition": f'inline; filename="{name}"'}
    )


def _sheet(office: Office, who: Staff, household_id: str) -> Sheet:
    view = office.desk.view(who.actor, case_id_of(office, household_id))
    told = told_of(office, view)
    chain = chain_of(office, who.actor, view.case, told)
    return sheet_of(office.desk, who.actor, view, chain, day_of(told))


def _told(office: Office, who: Staff, made: Sheet, content: bytes) -> None:
    office.desk.exported(who.actor, made.household, 1, hashlib.sha256(content).hexdigest())
