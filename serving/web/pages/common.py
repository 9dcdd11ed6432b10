"""The common sign-in: away to the issuer, and back with a code. It gives nobody rights; accounts do."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from serving.access.issuer import CALLBACK, Issuer
from serving.web import departures
from serving.web.office import Office
from serving.web.pages.door import signed_in
from serving.web.sessions import COOKIE, same
from serving.web.visitor import OfficeOf, PageError, inside

router = APIRouter()
AWAY = "zhouji_away"
"""Cookie of who left for the issuer: only the browser that left may come back."""
PATH = "/auth/oidc"


@router.get("/auth/oidc/login")
def leave(request: Request, office: OfficeOf) -> Response:
    """Away to the issuer."""
    issuer = _issuer(office)
    made = departures.leave(office.desk, inside(request.query_params.get("next", "/")))
    answer = RedirectResponse(issuer.address(made), 303)
    answer.set_cookie(
        AWAY, made.state, httponly=True, samesite="lax", secure=bool(office.settings.https), path=PATH,
        max_age=int(departures.GONE_AFTER.total_seconds()),
    )  # fmt: skip
    return answer


@router.get(CALLBACK)
def come_back(request: Request, office: OfficeOf) -> Response:
    """Back from the issuer: a new session for the account that it vouches for, or the door."""
    issuer, query = _issuer(office), request.query_params
    state, code = query.get("state", "")[:200], query.get("code", "")[:2000]
    known = departures.returned(office.desk, state) if state and same(state, request.cookies.get(AWAY, "")) else None
    name = issuer.account(code, known[0], known[1]) if known is not None and code else None
    account = departures.admit(office.desk, name) if name else None
    if account is None or known is None:
        answer: Response = RedirectResponse("/login?away=1", 303)
    else:
        answer = signed_in(office, office.sessions.open(account, request.cookies.get(COOKIE, "")), inside(known[2]))
    answer.delete_cookie(AWAY, path=PATH)
    return answer


def _issuer(office: Office) -> Issuer:
    if office.issuer is None:
        raise PageError(404)
    return office.issuer
