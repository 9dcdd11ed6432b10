"""A week's list as a workbook, out and back in: what a file would change is shown first, and nothing is kept before."""

from __future__ import annotations

import hashlib
import tempfile
from datetime import date
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from features.errors import DataError, UsageError
from features.settings import Home
from reports.weekly_list import field_of, label, write_xlsx
from serving.casework import worklist
from serving.casework.returned import COLUMNS, Returned, looked_at, may_add, read_returned, take, write_errors
from serving.published import list_of_run
from serving.runs import RunFolder
from serving.web.files import file_answer
from serving.web.office import Office
from serving.web.pending import Pending, Waiting
from serving.web.showing import show
from serving.web.visitor import OfficeOf, PageError, PostedFileOf, PostedOf, Staff, staff

router = APIRouter()
offices = staff("town", "county")
Offices = Annotated[Staff, Depends(offices)]


def run_of(office: Office, week: str) -> RunFolder:
    """The published run of a week."""
    try:
        known = office.weeks.of_day(date.fromisoformat(week))
    except ValueError as error:
        raise PageError(404, "week") from error
    if known is None:
        raise PageError(404, "week")
    return known.run


@router.get("/weeks/{week}/list.xlsx")
def list_xlsx(week: str, office: OfficeOf, who: Offices) -> Response:
    """The list of one's own area to fill in; the blind form for who visits before a score is seen."""
    run = run_of(office, week)
    desk, by = office.desk, who.actor
    made = list_of_run(run, office.project, office.tree, lambda area: desk.reaches(by, area))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.xlsx"
        write_xlsx(made, path, who.language, blind=by.blind)
        content = path.read_bytes()
    desk.exported(by, run.run_id, len(made.rows), hashlib.sha256(content).hexdigest())
    return file_answer(content, f"list-{run.as_of}-{by.area}.xlsx")


# --- back in ----------------------------------------------------------------------------------------------------------


def pending(office: Office) -> Pending:
    """Where files wait."""
    return Pending(Home(office.settings.home).project(office.project.name).path / "imports")


@router.get("/weeks/{week}/import", dependencies=[Depends(offices)])
def import_form(request: Request, week: str, office: OfficeOf) -> Response:
    """Where a filled list is sent."""
    return _form(request, run_of(office, week))


def _form(request: Request, run: RunFolder, http: int = 200, *, refused: str = "") -> Response:
    return show(request, "import.html", http, week=run.as_of, refused=refused)


@router.post("/weeks/{week}/import")
def upload(request: Request, week: str, office: OfficeOf, who: Offices, form: PostedFileOf) -> Response:
    """Keep a file and go on to what it would change; a file that is no list of this week is refused at once."""
    run = run_of(office, week)
    called, content = form.file("file")
    if not content:
        return _form(
            request, run, 422, refused=who.say("请先选择填好的 XLSX 文件。", "Choose the filled XLSX file first.")
        )
    waits, now = pending(office), office.desk.now()
    kept = waits.put(who.account.account, week, called or "list.xlsx", content, now)
    try:
        returned = _read(office, who, run, kept)
    except (DataError, UsageError) as error:
        waits.done(kept)
        return _form(request, run, 422, refused=f"{error.sentence(who.language)} {error.repair(who.language)}")
    versions = {one.household: one.case.version for one in returned.lines if one.case is not None}
    waits.tell(kept, versions=versions)
    looked_at(office.desk, who.actor, returned)
    return RedirectResponse(f"/weeks/{week}/import/{kept.key}", 303)


def _read(office: Office, who: Staff, run: RunFolder, kept: Waiting) -> Returned:
    return read_returned(office.desk, who.actor, kept.path, run, called=kept.called)


@router.get("/weeks/{week}/import/{key}")
def preview(request: Request, week: str, key: str, office: OfficeOf, who: Offices) -> Response:
    """What a file would change, or what became of it."""
    run = run_of(office, week)
    kept = pending(office).get(key, who.account.account, week, office.desk.now())
    people = worklist.people(office.desk)
    if "written" in kept.told:
        return show(request, "imported.html", week=run.as_of, told=kept.told, called=kept.called)
    returned = _read(office, who, run, kept)
    versions = kept.told.get("versions", {})
    moved = {one.household for one in returned.lines if one.case and one.case.version != versions.get(one.household)}
    return show(
        request, "preview.html", week=run.as_of, key=key, called=kept.called, returned=returned, people=people,
        moved=moved, may_add=lambda line: may_add(line, who.actor.role), fields=list(COLUMNS),
        name=lambda field: label(field_of(COLUMNS[field][0]), who.language),
        column=lambda column: label(column, who.language),
    )  # fmt: skip


@router.post("/weeks/{week}/import/{key}")
def confirm(week: str, key: str, office: OfficeOf, who: Offices, form: PostedOf) -> Response:
    """Write what was shown; what somebody else changed since is left alone and named."""
    run = run_of(office, week)
    waits = pending(office)
    kept = waits.get(key, who.account.account, week, office.desk.now())
    if "written" not in kept.told:
        returned = _read(office, who, run, kept)
        versions = {str(name): int(version) for name, version in kept.told.get("versions", {}).items()}
        done = take(office.desk, who.actor, returned, versions, frozenset(form.many("opinion")))
        waits.done(
            kept, written=list(done.written), opinions=list(done.opinions), conflicts=dict(done.conflicts),
            rejected=len(returned.of("rejected")), same=len(returned.of("same")),
        )  # fmt: skip
    return RedirectResponse(f"/weeks/{week}/import/{key}", 303)


@router.get("/weeks/{week}/import/{key}/errors.xlsx")
def errors(week: str, key: str, office: OfficeOf, who: Offices) -> Response:
    """The rejected rows with the reasons, to put right."""
    run = run_of(office, week)
    kept = pending(office).get(key, who.account.account, week, office.desk.now())
    if "written" in kept.told:
        raise UsageError("list_import_gone")
    returned = _read(office, who, run, kept)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "errors.xlsx"
        rows = write_errors(returned, path, who.language)
        content = path.read_bytes()
    office.desk.exported(who.actor, f"{run.run_id} errors", rows, hashlib.sha256(content).hexdigest())
    return file_answer(content, f"errors-{run.as_of}.xlsx")
