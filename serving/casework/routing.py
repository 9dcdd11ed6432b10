"""Which need goes to which department, by which clause, with which deadline and answers: the table of domain D2.

The table is `routing.yaml`, dated and with its sources. Nothing here knows a database.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from features.strict import Sourced, Strict, Words, read_table

CHOSEN = "chosen"
"""In place of a lead department: it is named with the referral."""
CORRECTION, MECHANISM_NEED, URGENT = "N22", "N21", "N02"
PASSED_ON = "F8"
MECHANISM_DESK = "county_mechanism"

Unit = Literal["hour", "day", "working_day"]


class Duration(Strict):
    """A deadline's length, where it is from, and how sure that is: S seen in a source, M common knowledge, P ours.

    Attributes:
        longest: what it may be extended to in special cases.
        starts: at dispatch, or when the alert came.
    """

    amount: int = Field(gt=0)
    unit: Unit
    longest: int | None = None
    starts: Literal["dispatch", "alert"] = Field("dispatch", alias="from")
    source: str
    mark: Literal["S", "M", "P"]


class Need(Strict):
    """One line of the table."""

    lead: str
    co: list[str] = Field(default_factory=list)
    kinds: Words
    clause: str
    first: Duration | None = Field(None, description="until help is given, before papers")
    urgent_first: Duration | None = Field(None, description="the same, where somebody is unsafe")
    answer: Duration
    feedback: list[str] = Field(min_length=1)


class Routing(Sourced):
    """The whole table."""

    most_passes: int = Field(ge=0)
    general: list[str]
    departments: dict[str, Words]
    needs: dict[str, Need]

    @model_validator(mode="after")
    def _known(self) -> Routing:
        for code, need in self.needs.items():
            for department in (need.lead, *need.co):
                if department not in self.departments and department != CHOSEN:
                    raise ValueError(f"needs.{code}: '{department}' is not among departments")
        return self

    def lead(self, need: str, chosen: str = "") -> str:
        """The department that must answer.

        Raises:
            KeyError: there is no such need.
            ValueError: the need wants its department named, or what was named is none.
        """
        lead = self.needs[need].lead
        department = (chosen or lead) if lead == CHOSEN else lead
        if department not in self.departments:
            raise ValueError(department)
        return department

    def answers(self, need: str, *, binding: bool = False, passes: int = 0) -> tuple[str, ...]:
        """Feedback codes that a desk may give; F10 is the clock's and no desk's.

        The county mechanism may always say whose it is; what it decided is not passed on again.
        """
        codes = ["F0", *self.needs[need].feedback]
        may_pass = not binding and (need == MECHANISM_NEED or passes <= self.most_passes)
        return tuple(dict.fromkeys([*codes, *([PASSED_ON] if may_pass else [])]))


def read_routing(path: Path | None = None) -> Routing:
    """The table of a deployment, or the one that comes with the product.

    Raises:
        ProjectError: the file says something that cannot be.
    """
    if path is None:
        return _own()
    return read_table(path.read_text(encoding="utf-8"), path.name, Routing)


@functools.cache
def _own() -> Routing:
    own = resources.files("serving.casework") / "routing.yaml"
    return read_table(own.read_text(encoding="utf-8"), own.name, Routing)


def sources_of(reasons: Sequence[str], departments_of: Mapping[str, str]) -> tuple[str, ...]:
    """Departments whose data a visitor found false: for each of them one correction is asked for, and followed up.

    Args:
        reasons: reasons of the list with the verdict false.
        departments_of: reason → department that owns the records behind it.

    >>> sources_of(["own_payment", "admission", "lost_job"], {"own_payment": "medical_security",
    ...     "admission": "medical_security", "lost_job": "human_resources"})
    ('human_resources', 'medical_security')
    """
    return tuple(sorted({departments_of[reason] for reason in reasons if reason in departments_of}))
