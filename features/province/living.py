"""One month of many households: disasters, illness, work, members, income, costs, savings, hardship, assistance.

The equations are those of the domain reference, D4.2; their numbers stand in `values.yaml`. What departments could
notice of the month is returned; the state is changed in place. Nothing here knows who looks on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.province.course import Course
from features.province.state import (
    ADULTS,
    CHILDREN,
    ELDERS,
    EMPLOYERS_PER_COUNTY,
    FORMAL,
    INFORMAL,
    NO_JOB,
    SLOTS,
    UNEMPLOYED,
    Flags,
    Floats,
    Generator,
    Integers,
    State,
)
from features.province.values import Values

KINDERGARTEN, COMPULSORY, SENIOR, COLLEGE = 0, 1, 2, 3
DEPTH_MONTHS = 3.0


@dataclass(frozen=True)
class Month:
    """What happened to every household in a month; amounts in yuan.

    Attributes:
        wage: by adult slot.
        inpatient, outpatient, serious_own, education, repair, funeral, care: rigid costs by kind.
        bills: of admissions and of the serious illness, before insurance: two columns.
        patient: slot of the member who was admitted.
        lost: adult slots that lost formal work; found: that found work.
        died, born, disabled: by slot.
        split: a couple parted, and an adult moved out.
        left_school: children who moved out as adults.
    """

    index: int
    wage: Floats
    job: Integers
    farm: Floats
    pension: Floats
    remittance: Floats
    benefit: Floats
    paid: Floats
    flow: Floats
    need: Floats
    inpatient: Floats
    outpatient: Floats
    serious_own: Floats
    education: Floats
    repair: Floats
    funeral: Floats
    care: Floats
    admissions: Integers
    bills: Floats
    far: Flags
    patient: Integers
    serious: Integers
    serious_started: Flags
    lost: Flags
    lost_informal: Flags
    found: Flags
    registered: Flags
    died: Flags
    born: Flags
    disabled: Integers
    split: Flags
    moved: Flags
    hit: Flags
    damaged: Flags
    power: Floats
    arrears: Flags
    savings: Floats
    condition: Flags
    onset: Flags
    exit: Flags
    hardship: Flags
    began: Flags
    ended: Flags
    assisted: Flags

    @property
    def rigid(self) -> Floats:
        """All costs that cannot be avoided."""
        medical = self.inpatient + self.outpatient + self.serious_own
        return medical + self.education + self.repair + self.funeral + self.care


def live(state: State, course: Course, index: int, rng: Generator) -> Month:
    """Change the state by one month, and tell what happened."""
    v = course.values
    weather = _weather(state, course, index, rng)
    ill = _illness(state, course, index, rng)
    work = _work(state, course, index, ill["admissions"] > 0, rng)
    changes = _members(state, v, index, rng)
    need = state.need(v, course.line(index))
    wage = _wages(state, course, index, rng)
    other = _other_income(state, v, index, rng)
    education = _school(state, v, index)
    care = v.demography.disability.care * (state.disability > 0).sum(axis=1)
    own = ill["inpatient"] + ill["outpatient"] + ill["serious_own"]
    costs = own + education + care + weather["repair"] + changes["funeral"]
    before = wage.sum(axis=1) + other["farm"] + other["pension"] + other["remittance"] + other["benefit"]
    began, ended = _assistance(state, course, index, before, need, rng)
    flow = before + state.paid
    _spend(state, v, flow, costs, need)
    condition, onset, out = _judge(state, v, need)
    return Month(
        index=index,
        wage=wage,
        job=state.job.copy(),
        paid=state.paid.copy(),
        flow=flow,
        need=need,
        education=education,
        care=care,
        serious=state.serious.copy(),
        power=_power(state, v, index, flow, need, rng),
        arrears=(state.savings < 0) & (rng.random(len(state)) < v.power.arrears),
        savings=state.savings.copy(),
        condition=condition,
        onset=onset,
        exit=out,
        hardship=state.hardship.copy(),
        began=began,
        ended=ended,
        assisted=state.assisted.copy(),
        **weather,
        **ill,
        **work,
        **changes,
        **other,
    )


def _weather(state: State, course: Course, index: int, rng: Generator) -> dict[str, Any]:
    """Who is hit, whose house is damaged and what its repair costs; fields stay damaged for months."""
    v, n = course.values.disasters, len(state)
    hit = course.cyclone(index)[state.county]
    chance = course.house_damage(index) * np.where(state.urban, v.urban, 1.0)
    damaged = hit & (rng.random(n) < chance)
    repair = np.where(damaged, rng.lognormal(v.repair.log_mean, v.repair.log_deviation, n), 0.0)
    months = course.values.work.farm.damaged_months
    state.farm_damaged = np.where(hit, months, np.maximum(state.farm_damaged - 1, 0))
    return {"hit": hit, "damaged": damaged, "repair": repair}


def _illness(state: State, course: Course, index: int, rng: Generator) -> dict[str, Any]:
    """Admissions and their bills, outpatient costs, and illness that stays for months."""
    v, n = course.values.health, len(state)
    a = v.admission
    adults = state.size - state.elders - state.children
    exposure = a.elder * state.elders + a.child * state.children + adults
    admissions = rng.poisson(a.rate * np.exp(a.frailty * state.frailty + a.shift) * exposure)
    weights = state.alive * np.where(np.arange(SLOTS) < 3, 1.0, np.where(np.arange(SLOTS) < 5, a.elder, a.child))
    patient = _someone(weights, rng)
    # the serious illness ends with its patient, too
    holds = (state.serious >= 0) & state.alive[np.arange(n), np.maximum(state.serious, 0)]
    stays = holds & (rng.random(n) > v.serious.ends)
    started = ~stays & (rng.random(n) < v.serious.rate * (v.serious.elder * state.elders + adults + state.children))
    state.serious = np.where(started, _someone(weights, rng), np.where(stays, state.serious, -1))
    bill = np.where(admissions > 0, rng.lognormal(v.bill.log_mean, v.bill.log_deviation, n) * admissions, 0.0)
    treatment = rng.lognormal(v.serious.log_mean, v.serious.log_deviation, n)
    treatment = np.where(state.serious >= 0, treatment, 0.0)
    far = rng.random(n) < v.far
    share = np.where(far, v.own_share.far, np.where(state.employees(), v.own_share.employee, v.own_share.resident))
    share = np.where(state.assisted, course.aided_share(index), share)
    lasting = np.where(state.assisted, course.aided_share(index), v.serious.own_share)
    o = v.outpatient
    outpatient = np.exp(o.log_mean + o.frailty * state.frailty + rng.normal(0, o.deviation, n)) * state.size / 2
    return {
        "admissions": admissions,
        "bills": np.column_stack([bill, treatment]),
        "inpatient": bill * share,
        "serious_own": treatment * lasting,
        "outpatient": outpatient,
        "far": far,
        "patient": patient,
        "serious_started": started,
    }


def _someone(weights: Any, rng: Generator) -> Integers:
    """A slot drawn by weights, for each household."""
    cumulated = np.cumsum(weights, axis=1)
    drawn = rng.random(len(weights)) * cumulated[:, -1]
    found: Integers = (cumulated <= drawn[:, None]).sum(axis=1).clip(0, weights.shape[1] - 1)
    return found


def _work(state: State, course: Course, index: int, ill: Flags, rng: Generator) -> dict[str, Any]:
    """Who loses work and who finds it again; some of those who lose formal work register and draw benefit."""
    v = course.values.work
    shock = np.where(ill | (state.serious >= 0), v.loss.illness, 1.0)
    shock = shock * np.exp(v.loss.frailty * state.frailty + v.loss.shift)
    formal, informal = state.job == FORMAL, state.job == INFORMAL
    hazard = np.where(formal, v.loss.formal, np.where(informal, v.loss.informal, 0.0)) * shock[:, None]
    loses = (rng.random(state.job.shape) < hazard) | (formal & course.closes(index)[state.employer])
    s = v.search
    chance = np.maximum(s.floor, s.start - s.slope * np.log1p(state.searching))
    lift = np.exp(s.education * (state.education - 8) - s.frailty * np.maximum(state.frailty, 0))
    found = (state.job == UNEMPLOYED) & (rng.random(state.job.shape) < chance * lift[:, None])
    again = np.where(rng.random(state.job.shape) < v.formal_again, FORMAL, INFORMAL)
    state.job = np.where(found, again, np.where(loses, UNEMPLOYED, state.job))
    elsewhere = rng.integers(0, EMPLOYERS_PER_COUNTY, state.job.shape)
    place = state.employer - state.employer % EMPLOYERS_PER_COUNTY
    state.employer = np.where(found, place + elsewhere, state.employer)
    state.searching = np.where(state.job == UNEMPLOYED, state.searching + 1, 0)
    lost = loses & formal
    registered = lost & (rng.random(state.job.shape) < v.registered)
    state.benefit = np.where(registered.any(axis=1), v.benefit.months, np.maximum(state.benefit - 1, 0))
    return {"lost": lost, "lost_informal": loses & informal, "found": found, "registered": registered}


def _members(state: State, values: Values, index: int, rng: Generator) -> dict[str, Any]:
    """Deaths, births, new disabilities, couples who part, and children who leave as adults."""
    v, n = values.demography, len(state)
    old = np.zeros(SLOTS, dtype=bool)
    old[ELDERS] = True
    risk = v.death.rate * np.where(old, v.death.elder, 1.0) * np.exp(v.death.frailty * state.frailty)[:, None]
    died = state.alive & (rng.random((n, SLOTS)) < risk) & (state.size > 1)[:, None]
    died &= np.cumsum(died, axis=1) == 1  # one at a time
    worse = state.alive & ~died & (rng.random((n, SLOTS)) < v.disability.rate)
    grade = np.where(worse & (state.disability == 0), rng.integers(1, 5, (n, SLOTS)), 0)
    state.disability = np.where(grade > 0, grade, state.disability)
    alive = state.alive & ~died
    couple = alive[:, ADULTS].sum(axis=1) >= 2
    split = couple & (rng.random(n) < v.divorce)
    leaver = np.zeros((n, SLOTS), dtype=bool)
    last = 2 - np.argmax(alive[:, ADULTS][:, ::-1], axis=1)
    leaver[np.arange(n), last] = split
    grown = np.zeros((n, SLOTS), dtype=bool)
    grown[:, CHILDREN] = alive[:, CHILDREN] & (index - state.birth[:, CHILDREN] >= values.school.ages[-1] * 12)
    stays = np.asarray((alive & ~grown & ~leaver).any(axis=1))
    grown &= stays[:, None]  # somebody stays
    moved = (leaver & alive) | grown
    alive = alive & ~moved
    free = ~alive[:, CHILDREN]
    born_here = couple & free.any(axis=1) & (rng.random(n) < v.birth)
    born = np.zeros((n, SLOTS), dtype=bool)
    born[np.arange(n), CHILDREN.start + np.argmax(free, axis=1)] = born_here
    state.alive = alive | born
    state.birth = np.where(born, index, state.birth)
    state.generation = state.generation + born
    state.male = np.where(born, rng.random((n, SLOTS)) < 0.5, state.male)
    state.disability = np.where(born | died | moved, 0, state.disability)
    state.job = np.where(state.alive[:, ADULTS], state.job, NO_JOB)
    funeral = np.where(died.any(axis=1), v.death.funeral, 0.0)
    return {"died": died, "born": born, "disabled": grade, "split": split, "moved": moved, "funeral": funeral}


def _wages(state: State, course: Course, index: int, rng: Generator) -> Floats:
    """Monthly pay by adult: a slow component, a formal premium, swings and idle months of informal work, seasons."""
    v, n = course.values.work, len(state)
    state.persistent = v.persistence * state.persistent + rng.normal(0, v.persistent_step, n)
    regular = np.exp(np.array(v.wage)[state.region] + state.ability + state.persistent)[:, None]
    q = 1 / (1 + np.exp(v.vulnerability.steepness * (state.ability + v.vulnerability.shift)))[:, None]
    formal = v.formal_premium * regular * np.exp(rng.normal(0, v.formal_swing, (n, 3)))
    spread = v.informal_swing.scale * (v.informal_swing.base + v.informal_swing.slope * q)
    informal = regular * np.exp(rng.normal(0, 1, (n, 3)) * spread)
    idle = rng.random((n, 3)) < v.idle.base + v.idle.slope * q
    season = course.season_of_migrants(index)
    at_home = v.informal_trough if season == v.migrant_season.trough else 1.0
    informal = informal * np.where(state.migrant, season, at_home)[:, None] * np.where(idle, v.idle.pays, 1.0)
    informal = informal * ~course.work_stops(index)[state.county][:, None]
    pay: Floats = np.where(state.job == FORMAL, formal, np.where(state.job == INFORMAL, informal, 0.0))
    return pay


def _other_income(state: State, values: Values, index: int, rng: Generator) -> dict[str, Any]:
    """Pensions, farming, what relatives send, and unemployment benefit."""
    v, n = values.work, len(state)
    pension = state.elders * np.where(
        state.urban, np.array(v.pension.urban)[state.region], np.array(v.pension.rural)[state.region]
    )
    farm = rng.lognormal(v.farm.log_mean, v.farm.log_deviation, n) * v.farm_season[index % 12]
    farm = np.where(state.farms, farm * np.where(state.farm_damaged > 0, v.farm.damaged, 1.0), 0.0)
    remittance = state.remittance * np.exp(rng.normal(0, values.people.remittance.swing, n))
    benefit = np.where(state.benefit > 0, v.benefit.share_of_line * state.line, 0.0)
    return {"farm": farm, "pension": pension, "remittance": remittance, "benefit": benefit}


def stages(state: State, values: Values, index: int) -> Integers:
    """School stage of each child (kindergarten 0 to college 3), -1 for none; a school year begins in September."""
    autumn = index - (index - 8) % 12  # the September in which this school year began
    age = (autumn - state.birth[:, CHILDREN]) / 12
    found = np.full(age.shape, -1)
    for stage in range(4):
        first, after = values.school.ages[stage], values.school.ages[stage + 1]
        found[(age >= first) & (age < after) & state.alive[:, CHILDREN]] = stage
    return found


def _school(state: State, values: Values, index: int) -> Floats:
    """What schooling costs this month; half where the household is helped."""
    stage = stages(state, values, index)
    term = np.array([*values.school.term, 0.0])[stage].sum(axis=1)
    cost: Floats = term * values.school.scale * values.school.spread[index % 12]
    return np.where(state.assisted, cost * values.school.helped, cost)


def _assistance(
    state: State, course: Course, index: int, income: Floats, need: Floats, rng: Generator
) -> tuple[Flags, Flags]:
    """Who comes to assistance by an application, and whose income has risen enough to leave.

    What is paid is found at the application and at every later review, from the income of three months: between
    reviews it does not follow the household's ups and downs.
    """
    v, n = course.values.assistance, len(state)
    earlier = state.flows[:, 1:]  # what was paid in these months is in them; this month's income is without it
    recent = (earlier.sum(axis=1) + income) / 3
    own = recent - np.where(state.assisted, state.paid * 2 / 3, 0.0)
    chance = np.where(state.hardship, v.application * course.take_up(index) / v.take_up, 0.0)
    chance = np.maximum(chance, np.where(recent < need, v.low_income, 0.0))
    began = ~state.assisted & (rng.random(n) < chance)
    ended = state.assisted & (own > v.leaves_above * need) & (rng.random(n) < v.leaves)
    state.assisted = (state.assisted | began) & ~ended
    reviewed = began | (state.assisted & ((index + state.serial) % v.review_months == 0))
    granted = np.maximum(v.pays_up_to * need - own, 0.0)
    state.paid = np.where(reviewed, granted, np.where(state.assisted, state.paid, 0.0))
    return began, ended


def _spend(state: State, values: Values, flow: Floats, costs: Floats, need: Floats) -> None:
    """Consumption, costs and help from kin change the savings.

    Savings are a buffer: what is above a few months of need is spent little by little. Without this almost everybody
    is either deep in debt or far from any risk, and what comes could be foreseen too well.
    """
    v = values.living
    consumption = v.consumption_of_need * need + v.consumption_of_surplus * np.maximum(flow - need, 0)
    consumption = consumption + v.buffer.spends * np.maximum(state.savings - v.buffer.months * need, 0)
    gap = np.maximum(consumption + costs - flow - np.maximum(state.savings, 0), 0)
    help_from_kin = np.minimum(state.kin * gap, v.kin_limit * need)
    savings = state.savings + flow - consumption - costs + help_from_kin
    state.savings = np.clip(savings, v.savings_floor * need, v.savings_cap * need)
    state.flows = np.column_stack([state.flows[:, 1:], flow])
    state.costs = np.column_stack([state.costs[:, 1:], costs])


def _judge(state: State, values: Values, need: Floats) -> tuple[Flags, Flags, Flags]:
    """Onset after two months of the condition in a row, exit after three months without it."""
    v = values.living
    net = state.flows.mean(axis=1) - state.costs.mean(axis=1)
    condition = (net < v.condition.flow * need) & (state.savings < v.condition.stock * need)
    state.onset_count = np.where(condition & ~state.hardship, state.onset_count + 1, 0)
    state.clear_count = np.where(~condition & state.hardship, state.clear_count + 1, 0)
    onset = state.onset_count >= v.onset_months
    out = state.clear_count >= v.exit_months
    state.hardship = (state.hardship | onset) & ~out
    state.onset_count = np.where(onset, 0, state.onset_count)
    state.clear_count = np.where(out, 0, state.clear_count)
    state.depth = np.clip((need - net) / need, 0, DEPTH_MONTHS)
    return condition, onset, out


def _power(state: State, values: Values, index: int, flow: Floats, need: Floats, rng: Generator) -> Floats:
    """Electricity, which follows the size of the household and what it lives on."""
    v = values.power
    shape = state.size**v.size * np.clip(flow / need, 0.2, 6) ** v.income
    used: Floats = v.base_kwh * shape * v.season[index % 12] * np.exp(rng.normal(0, v.noise, len(state)))
    return used
