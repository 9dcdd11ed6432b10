"""A small hidden world, month by month: incomes, shocks, buffers, and the onset of hardship when a buffer runs out.

The equations are those of a Markov prototype of rural Guangdong, cut down to what a sample needs. Hardship is a
matter of stock *and* flow: income net of unavoidable costs below need for three months, and no savings left. Nothing
here is what an administration sees; `features.province.sample` writes that.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

NO_JOB, INFORMAL, FORMAL, UNEMPLOYED = 0, 1, 2, 3
FEBRUARY, SEPTEMBER = 2, 9
INFORMAL_SEASON = (1.0, 0.7, 0.95, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.05)
POWER_SEASON = (1.05, 1.0, 0.9, 0.9, 1.0, 1.2, 1.4, 1.4, 1.2, 1.0, 0.9, 1.0)


@dataclass
class World:
    """All households of the sample; one array element is a household, the second axis an earner's place."""

    town: Integers
    urban: Flags
    elders: Integers
    children: Integers
    adults: Integers
    job: Integers
    ability: Floats
    kin_support: Floats
    frailty: Floats
    farms: Flags
    line: Floats
    savings: Floats
    persistent: Floats
    serious: Flags
    hardship: Flags
    assisted: Flags
    onset_count: Integers
    clear_count: Integers
    flows: list[Floats] = field(default_factory=list)
    costs: list[Floats] = field(default_factory=list)

    @property
    def size(self) -> Integers:
        """Members of each household."""
        return self.elders + self.children + self.adults

    @property
    def need(self) -> Floats:
        """What a household needs in a month, in yuan."""
        return np.asarray(self.line * (1 + 0.75 * (np.maximum(self.size, 1) - 1)), dtype=np.float64)


@dataclass(frozen=True)
class Month:
    """What happened to every household in one month; what departments may later notice."""

    number: int
    wage: Floats
    job: Integers
    lost_job: Flags
    admissions: Integers
    bill: Floats
    own_payment: Floats
    far: Flags
    outpatient: Floats
    serious_started: Flags
    serious: Flags
    died: Flags
    born: Flags
    disabled: Flags
    power_kwh: Floats
    flow: Floats
    need: Floats
    savings: Floats
    onset: Flags
    exit: Flags
    hardship: Flags
    assisted: Flags
    assistance_began: Flags
    assistance_ended: Flags


def settle(households: int, towns: int, rng: np.random.Generator) -> World:
    """Households before anything has happened to them."""
    elders = rng.choice([0, 1, 2], households, p=[0.55, 0.28, 0.17])
    adults = np.where(elders > 0, rng.choice([0, 1, 2, 3], households, p=[0.30, 0.2, 0.4, 0.1]), 0)
    adults = np.where(elders == 0, rng.choice([1, 2, 3], households, p=[0.3, 0.55, 0.15]), adults)
    children = np.where(adults > 0, rng.choice([0, 1, 2, 3], households, p=[0.45, 0.27, 0.21, 0.07]), 0)
    urban = rng.random(households) < 0.4
    formal = rng.random((households, 2)) < np.where(urban, 0.55, 0.3)[:, None]
    place = np.arange(2)[None, :] < np.minimum(adults, 2)[:, None]
    line = np.where(urban, 880.0, 700.0)
    size = elders + adults + children
    return World(
        town=rng.integers(0, towns, households),
        urban=urban,
        elders=elders,
        children=children,
        adults=adults,
        job=np.where(place, np.where(formal, FORMAL, INFORMAL), NO_JOB).astype(np.int64),
        ability=rng.normal(0, 0.42, households),
        kin_support=rng.beta(1.2, 2.5, households),
        frailty=rng.normal(0, 1, households),
        farms=~urban & (rng.random(households) < 0.6),
        line=line,
        savings=line * size * rng.lognormal(0.6, 1.0, households),
        persistent=np.zeros((households, 2)),
        serious=np.zeros(households, dtype=bool),
        hardship=np.zeros(households, dtype=bool),
        assisted=np.zeros(households, dtype=bool),
        onset_count=np.zeros(households, dtype=np.int64),
        clear_count=np.zeros(households, dtype=np.int64),
    )


def live_month(world: World, number: int, calendar_month: int, rng: np.random.Generator) -> Month:
    """Change the world by one month, and tell what happened."""
    households = len(world.town)
    illness = _fall_ill(world, rng)
    lost_job = _change_jobs(world, illness["admissions"] > 0, rng)
    died, born, disabled = _change_members(world, rng)
    wage = _wages(world, calendar_month, rng)
    ended = world.assisted & (rng.random(households) < np.where(world.hardship, 0.0, 0.12))
    began = world.hardship & ~world.assisted & (rng.random(households) < 0.22)
    world.assisted = (world.assisted | began) & ~ended
    flow = wage.sum(axis=1) + _other_income(world, calendar_month, rng)
    flow = flow + np.where(world.assisted, np.maximum(0.98 * world.need - flow, 0), 0)
    cost = illness["own_payment"] + illness["outpatient"] + np.where(died, 6000, 0)
    cost = cost + world.children * {SEPTEMBER: 900, FEBRUARY: 600}.get(calendar_month, 60)
    _spend(world, flow, cost)
    onset, exit_ = _judge(world)
    shape = world.size**0.45 * np.clip(flow / world.need, 0.2, 6) ** 0.30
    return Month(
        number=number,
        wage=wage,
        job=world.job.copy(),
        lost_job=lost_job,
        admissions=illness["admissions"].astype(np.int64),
        bill=illness["bill"],
        own_payment=illness["own_payment"],
        far=illness["far"] > 0,
        outpatient=illness["outpatient"],
        serious_started=illness["started"] > 0,
        serious=world.serious.copy(),
        died=died,
        born=born,
        disabled=disabled,
        power_kwh=55 * shape * POWER_SEASON[calendar_month - 1] * rng.lognormal(0, 0.15, households),
        flow=flow,
        need=world.need,
        savings=world.savings.copy(),
        onset=onset,
        exit=exit_,
        hardship=world.hardship.copy(),
        assisted=world.assisted.copy(),
        assistance_began=began,
        assistance_ended=ended,
    )


def _fall_ill(world: World, rng: np.random.Generator) -> dict[str, Floats]:
    """Admissions with their bills, outpatient costs, and serious illness that stays for months."""
    households = len(world.town)
    exposure = 2.2 * world.elders + 0.7 * world.children + world.adults
    admissions = rng.poisson(0.0125 * np.exp(0.6 * world.frailty - 0.25) * exposure)
    started = ~world.serious & (rng.random(households) < 0.0006 * (3 * world.elders + world.adults))
    world.serious = (world.serious & (rng.random(households) > 0.10)) | started
    bill = np.where(admissions > 0, rng.lognormal(8.75, 1.2, households), 0)
    bill = bill + np.where(world.serious, rng.lognormal(8.9, 0.6, households), 0)
    far = rng.random(households) < 0.15
    share = np.where(world.assisted, 0.18, np.where(far, 0.62, 0.45))
    outpatient = np.exp(4.0 + 0.6 * world.frailty + rng.normal(0, 0.7, households)) * world.size / 2
    return {
        "admissions": admissions,
        "bill": bill,
        "own_payment": bill * share,
        "far": far.astype(float),
        "outpatient": outpatient * (rng.random(households) < 0.5),
        "started": started.astype(float),
    }


def _change_jobs(world: World, ill: Flags, rng: np.random.Generator) -> Flags:
    """Who loses work and who finds it again; the flag says that a formal job was lost this month."""
    hazard = np.where(world.job == FORMAL, 0.008, np.where(world.job == INFORMAL, 0.020, 0.0))
    hazard = hazard * (np.exp(0.35 * world.frailty - 0.1) * np.where(ill | world.serious, 6, 1))[:, None]
    loses = rng.random(world.job.shape) < hazard
    finds = (world.job == UNEMPLOYED) & (rng.random(world.job.shape) < 0.14)
    formal_again = rng.random(world.job.shape) < 0.35
    lost_formal = (loses & (world.job == FORMAL)).any(axis=1)
    world.job = np.where(finds, np.where(formal_again, FORMAL, INFORMAL), np.where(loses, UNEMPLOYED, world.job))
    return np.asarray(lost_formal)


def _change_members(world: World, rng: np.random.Generator) -> tuple[Flags, Flags, Flags]:
    """Deaths (an elder first, else an earner who leaves the second place empty), births, new disabilities."""
    households = len(world.town)
    risk = (0.0025 * world.elders + 0.0003 * world.adults) * np.exp(0.5 * world.frailty)
    died = (rng.random(households) < risk) & (world.size > 1)
    elder = died & (world.elders > 0)
    earner = died & ~elder & (world.adults > 0)
    died = elder | earner
    world.elders = world.elders - elder
    world.adults = world.adults - earner
    vacant = np.arange(2)[None, :] >= np.minimum(world.adults, 2)[:, None]
    world.job = np.where(vacant, NO_JOB, world.job)
    born = (world.adults >= 2) & (world.children < 3) & (rng.random(households) < 0.004)
    world.children = world.children + born
    disabled = rng.random(households) < 0.0005 * world.size
    return died, born, disabled


def _wages(world: World, calendar_month: int, rng: np.random.Generator) -> Floats:
    """Monthly pay by earner: a slow component, a formal premium, and swings of informal work."""
    world.persistent = 0.97 * world.persistent + rng.normal(0, 0.05, world.job.shape)
    regular = np.exp(7.75 + world.ability[:, None] + world.persistent)
    formal = 1.2 * regular * rng.lognormal(0, 0.06, world.job.shape)
    season = INFORMAL_SEASON[calendar_month - 1]
    informal = regular * season * rng.lognormal(-0.05, 0.35, world.job.shape)
    pay = np.where(world.job == FORMAL, formal, np.where(world.job == INFORMAL, informal, 0.0))
    return np.asarray(pay, dtype=np.float64)


def _other_income(world: World, calendar_month: int, rng: np.random.Generator) -> Floats:
    """Pensions and farming."""
    pension = world.elders * np.where(world.urban, 1500, 260)
    harvest = 1.6 if calendar_month in (7, 8, 11) else 0.8
    farm = np.where(world.farms, rng.lognormal(6.3, 0.5, len(world.town)) * harvest, 0)
    return np.asarray(pension + farm, dtype=np.float64)


def _spend(world: World, flow: Floats, cost: Floats) -> None:
    """Consumption, costs and help from kin change the savings."""
    need = world.need
    consumption = 0.92 * need + 0.72 * np.maximum(flow - need, 0)
    gap = np.maximum(need + cost - flow, 0)
    help_from_kin = np.minimum(world.kin_support * gap, 1.5 * need)
    world.savings = np.clip(world.savings + flow - consumption - cost + help_from_kin, -6 * need, 40 * need)
    world.flows = [*world.flows[-2:], flow]
    world.costs = [*world.costs[-2:], cost]


def _judge(world: World) -> tuple[Flags, Flags]:
    """Onset after two months of the condition, exit after three months without it."""
    net = np.mean(world.flows, axis=0) - np.mean(world.costs, axis=0)
    short = (net < 0.92 * world.need) & (world.savings < 0.25 * world.need)
    world.onset_count = np.where(short & ~world.hardship, world.onset_count + 1, 0)
    world.clear_count = np.where(~short & world.hardship, world.clear_count + 1, 0)
    onset = world.onset_count >= 2
    exit_ = world.clear_count >= 3
    world.hardship = (world.hardship | onset) & ~exit_
    return onset, exit_
