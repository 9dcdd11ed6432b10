"""Large files: ask for one, see how far it is, fetch it while it lasts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from features.errors import UsageError
from serving.web.exports import FORMATS, Exports
from serving.web.files import file_answer
from serving.web.office import Office
from serving.web.pages.lists import run_of
from serving.web.showing import show
from serving.web.visitor import OfficeOf, PostedOf, Staff, staff

router = APIRouter()
Exporting = Annotated[Staff, Depends(staff("county", "supervisor"))]


@router.get("/exports")
def exports(request: Request, office: OfficeOf, who: Exporting) -> Response:
    """One's own files."""
    return _page(request, office, who)


def _page(request: Request, office: Office, who: Staff, http: int = 200, *, refused: str = "") -> Response:
    jobs = Exports(office).of(who.account.account)
    weeks = [week.run.as_of for week in office.weeks.newest_first()]
    return show(
        request, "exports.html", http, jobs=jobs, weeks=weeks, formats=FORMATS, refused=refused,
        chosen=request.query_params.get("week", ""), running=any(job.open for job in jobs),
    )  # fmt: skip


@router.post("/exports")
def ask(request: Request, office: OfficeOf, who: Exporting, form: PostedOf) -> Response:
    """Ask for one."""
    run = run_of(office, form.one("week", 10))
    try:
        Exports(office).ask(who.actor, run, form.one("format", 10), who.language)
    except UsageError as error:
        said = f"{error.sentence(who.language)} {error.repair(who.language)}"
        return _page(request, office, who, 422, refused=said)
    return RedirectResponse("/exports", 303)


@router.get("/exports/{key}/file")
def file(key: str, office: OfficeOf, who: Exporting) -> Response:
    """Fetch one; each time is written down."""
    known = Exports(office)
    job = known.get(key, who.account.account)
    content = known.content(job)
    office.desk.note(who.actor, "export", job.name, rows=job.rows, sha256=job.sha256, fetched=True)
    return file_answer(content, job.name)
