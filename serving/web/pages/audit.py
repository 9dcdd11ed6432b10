"""Who saw and changed what; the signed days; and what came of the rows that were drawn at random."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from reports.plots import wilson
from serving.casework import worklist
from serving.casework.disclosure import LEAST
from serving.web.showing import in_one_look, show
from serving.web.visitor import OfficeOf, Staff, staff

router = APIRouter()
Auditing = Annotated[Staff, Depends(staff("auditor", "supervisor"))]
KINDS = (
    "view", "decision", "draft", "reveal", "export", "refused", "signed_in", "signed_out", "sign_in_refused", "account",
    "unsealed", "audit_view", "clock", "opened_week", "worker", "request", "resource", "delivery", "amendment",
    "erasure",
)  # fmt: skip


@router.get("/audit")
@in_one_look
def audit(request: Request, office: OfficeOf, who: Auditing) -> Response:
    """Lines of the log, newest first; the look is a line itself."""
    query, desk = request.query_params, office.desk
    chosen = {name: query.get(name, "").strip()[:60] for name in ("subject", "account", "kind")}
    before = query.get("before", "")
    place = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None
    lines, onward = worklist.audit_lines(
        desk, who.actor, subject=chosen["subject"], account=chosen["account"], kind=chosen["kind"], before=place
    )
    drawn = None
    weeks = worklist.week_lines(desk, who.actor) if who.actor.role == "auditor" else ()
    if weeks:
        count, seen, confirmed = worklist.drawn(desk, who.actor, weeks[0].week)
        share = wilson(confirmed, seen) if seen >= LEAST else None
        drawn = (weeks[0].week, count, seen, confirmed, share)
    return show(
        request, "audit.html", lines=lines, onward=onward, chosen=chosen, kinds=KINDS,
        people=worklist.people(desk, [line.account for line in lines]),
        signed=desk.keeper.signed_days(desk.database)[-7:][::-1], drawn=drawn, least=LEAST,
    )  # fmt: skip
