"""Who visits whom: a proposal by village and load, as a pure function; people confirm it.

A visit goes to somebody whose area holds the household: who knows the village first, then who has most room. Nobody
gets more than they can carry; visits for which there is nobody are named, with why, and are never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Why = Literal["no_worker", "all_away", "capacity"]


@dataclass(frozen=True)
class Worker:
    """Somebody who visits.

    Attributes:
        capacity: open visits at a time.
        load: open visits now.
        away: absent on the day of the proposal.
    """

    account: str
    role: str
    area_code: str
    capacity: int
    load: int = 0
    away: bool = False


@dataclass(frozen=True)
class Wanted:
    """A visit that waits for somebody."""

    case_id: str
    area_code: str
    visit_by: date
    version: int = 0


@dataclass(frozen=True)
class Proposal:
    """Who would visit whom, and what is left.

    Attributes:
        given: case → account.
        left: case → why there is nobody.
        loads: account → open visits, if the proposal is taken.
    """

    given: Mapping[str, str]
    left: Mapping[str, Why] = field(default_factory=dict)
    loads: Mapping[str, int] = field(default_factory=dict)


def propose(wanted: Sequence[Wanted], workers: Sequence[Worker], depth: Callable[[str, str], int | None]) -> Proposal:
    """A proposal; the order of visits and workers does not matter.

    Args:
        wanted: visits, those that are due first get somebody first.
        workers: everybody who visits.
        depth: (worker's area, household's area) → how many levels lie between; None where it does not hold it.

    >>> near = lambda area, place: 0 if area == place else None
    >>> made = propose([Wanted("c1", "v1", date(2026, 3, 9))], [Worker("a", "village", "v1", 8)], near)
    >>> dict(made.given)
    {'c1': 'a'}
    """
    loads = {worker.account: worker.load for worker in workers}
    villages: dict[tuple[str, str], int] = {}
    given: dict[str, str] = {}
    left: dict[str, Why] = {}
    for visit in sorted(wanted, key=lambda one: (one.visit_by, one.area_code, one.case_id)):
        near = [
            (found, worker) for worker in workers if (found := depth(worker.area_code, visit.area_code)) is not None
        ]
        here = [(levels, worker) for levels, worker in near if not worker.away]
        free = [(levels, worker) for levels, worker in here if loads[worker.account] < worker.capacity]
        if not free:
            left[visit.case_id] = "capacity" if here else "all_away" if near else "no_worker"
            continue
        _, chosen = min(
            free,
            key=lambda one: (
                one[0],  # who knows the village
                -villages.get((one[1].account, visit.area_code), 0),  # one way for several households
                loads[one[1].account] / one[1].capacity,
                one[1].account,
            ),
        )
        given[visit.case_id] = chosen.account
        loads[chosen.account] += 1
        villages[chosen.account, visit.area_code] = villages.get((chosen.account, visit.area_code), 0) + 1
    return Proposal(given, left, loads)
