"""Who acts: an account with a role in an area, and what such a role may do to what."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from features.strict import Strict
from serving.access.roles import BLIND, ROLES

VISITING = frozenset({"village", "town"})
"""Roles whose presentation an area may choose; counties manage lists and see them."""
CLOCK = "clock"
"""The role of what time alone does: reminders, escalation, F10."""


class Actor(Strict):
    """Somebody signed in.

    Attributes:
        account: the account's name; it stands in the audit log.
        role: one of `serving.access.roles.ROLES`.
        area: code of the area that the role holds in.
        department: which department, for that role.
        presentation: what the project says of the area, where it says anything: `blind` visitors of town and village
            see no score before their record, `open` ones do. It is no part of what is kept.
    """

    account: str
    role: str
    area: str
    department: str = ""
    presentation: Literal["", "open", "blind"] = Field("", exclude=True)

    @property
    def blind(self) -> bool:
        """Whether the visit comes before the score."""
        if self.presentation and self.role in VISITING:
            return self.presentation == "blind"
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
