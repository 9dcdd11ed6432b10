"""Who acts: an account with a role in an area, and what such a role may do to what."""

from __future__ import annotations

from features.strict import Strict
from serving.access.roles import BLIND, ROLES

CLOCK = "clock"
"""The role of what time alone does: reminders, escalation, F10."""


class Actor(Strict):
    """Somebody signed in.

    Attributes:
        account: the account's name; it stands in the audit log.
        role: one of `serving.access.roles.ROLES`.
        area: code of the area that the role holds in.
        department: which department, for that role.
    """

    account: str
    role: str
    area: str
    department: str = ""

    @property
    def blind(self) -> bool:
        """Whether the visit comes before the score."""
        return self.role in BLIND


def clock(area: str = "") -> Actor:
    """Time itself."""
    return Actor(account=CLOCK, role=CLOCK, area=area)


def is_role(role: str) -> bool:
    """Whether people can have this role.

    >>> is_role("town"), is_role("clock")
    (True, False)
    """
    return role in ROLES
