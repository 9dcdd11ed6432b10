"""Who is on the way to the common sign-in and back: each departure is good once, for some minutes."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from features.errors import UsageError
from serving.access.issuer import Departure
from serving.casework.actor import clock
from serving.casework.desk import Desk
from serving.casework.tables import AccountRow, DepartureRow
from serving.web.accounts import Account, account_of, actor_of, no_password
from serving.web.sessions import digest

GONE_AFTER = timedelta(minutes=10)


def leave(desk: Desk, onward: str) -> Departure:
    """Write down that somebody leaves, and what has to come back."""
    made, now = Departure(), desk.now()
    row = DepartureRow(
        digest=digest(made.state), nonce=made.nonce, verifier=made.verifier, onward=onward, left_at=now
    )  # fmt: skip
    with desk.database.writing() as session:
        session.execute(delete(DepartureRow).where(DepartureRow.left_at < now - GONE_AFTER))
        session.add(row)
    return made


def returned(desk: Desk, state: str) -> tuple[str, str, str] | None:
    """Nonce, verifier and onward address of a departure, which is used up; None where there is none any more."""
    with desk.database.writing() as session:
        row = session.get(DepartureRow, digest(state))
        if row is None:
            return None
        session.delete(row)
        found = (row.nonce, row.verifier, row.onward)
        return found if desk.now() - row.left_at <= GONE_AFTER else None


def admit(desk: Desk, name: str) -> Account | None:
    """The account that an issuer vouches for; None where no administrator made one, or it is disabled."""
    account = name.strip().lower()[:80]
    with desk.database.reading() as session:
        row = session.get(AccountRow, account)
        found = None if row is None else account_of(row)
    if found is None or not found.active:
        desk.note(clock() if found is None else actor_of(found), "sign_in_refused", account if found else "oidc")
        return None
    with desk.writing(actor_of(found)) as (session, told):
        kept = session.get(AccountRow, account)
        if kept is None or not kept.active:
            raise UsageError("account_unknown", account=account)
        kept.signed_in_at = desk.now()
        if kept.temporary:  # the issuer knows who it is: what was handed over opens nothing any more
            kept.password, kept.temporary, kept.version = no_password(), False, kept.version + 1
        told.append(("signed_in", account, {"by": "oidc"}))
    return found
