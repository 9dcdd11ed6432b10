"""Who is behind a household's code: asked for with a reason, shown once, kept nowhere."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from features.identity import open_vault
from serving.casework import cases, worklist
from serving.casework.case import Case
from serving.casework.refusals import AccessError, FormError
from serving.casework.revealing import in_hand, reveal, revealing
from serving.web.office import Office
from serving.web.showing import show
from serving.web.steps import by_field
from serving.web.visitor import OfficeOf, PostedOf, Staff, staff

router = APIRouter()
Visiting = Annotated[Staff, Depends(staff("village", "town", "county"))]
KNOWN = ("name", "phone", "address", "number", "identity_number")
"""Fields of the vault that have words, in the order in which they are shown; others follow by their own name."""


@router.get("/households/{household_id}/reveal")
def ask(request: Request, household_id: str, office: OfficeOf, who: Visiting) -> Response:
    """The form of the reason."""
    case = _case(office, who, household_id)
    return _page(request, case, {"reason": "", "words": ""})


@router.post("/households/{household_id}/reveal")
def tell(request: Request, household_id: str, office: OfficeOf, who: Visiting, form: PostedOf) -> Response:
    """The identity, this once; the page is kept by no cache, and reloading asks for a reason again."""
    case = _case(office, who, household_id)
    typed = {"reason": form.one("reason", 20), "words": form.one("words", 1000)}
    vault = open_vault(office.project, office.settings)
    try:
        found = reveal(office.desk, who.actor, case.case_id, typed["reason"], typed["words"], vault.reveal)
    except FormError as error:
        return _page(request, case, typed, 422, wrong=by_field(who, error.mistakes))
    ordered = [name for name in KNOWN if found.get(name)] + sorted(name for name in found if name not in KNOWN)
    answer = _page(request, case, typed, found=[(name, found[name]) for name in ordered])
    answer.headers["cache-control"] = "no-store, max-age=0"
    return answer


def _case(office: Office, who: Staff, household_id: str) -> Case:
    """The household's case, if it is in the visitor's hands; any other is as good as none.

    Raises:
        AccessError: it is not; written down.
    """
    case_id = worklist.case_of(office.desk, household_id[:40])
    if case_id is None:
        raise AccessError("case_outside")
    with office.desk.database.reading() as session:
        case = cases.read(session, case_id)
    if case is None or not in_hand(office.desk, who.actor, case):
        raise office.desk.refuse(who.actor, "case_outside", household_id[:40])
    return case


def _page(
    request: Request, case: Case, typed: dict[str, str], http: int = 200, *,
    wrong: dict[str, list[str]] | None = None, found: list[tuple[str, str]] | None = None,
) -> Response:  # fmt: skip
    return show(
        request, "reveal_page.html", http, household=case.household_id, typed=typed, wrong=wrong or {}, found=found,
        rules=revealing(),
    )  # fmt: skip
