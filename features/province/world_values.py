"""What the numbers of the hidden world are: people, work, health, school, disasters, living, assistance."""

from __future__ import annotations

from features.strict import Sourced, Strict

Row = tuple[float, ...]


class LogNormal(Strict):
    """Mean and deviation of the logarithm."""

    log_mean: float
    log_deviation: float


class Places(Strict):
    """A value for each region, by residence."""

    urban: Row
    rural: Row


class Residence(Strict):
    """A value by residence."""

    urban: float
    rural: float


class Education(Strict):
    """Years of schooling of the adults."""

    mean: float
    deviation: float
    urban: float


class Remittance(LogNormal):
    """Money that relatives send every month, more or less, and the share of households that get any."""

    share: float
    swing: float


class People(Sourced):
    """Who lives in the province."""

    region_share: Row
    urban_in_street: float
    urban_elsewhere: float
    elders: Row
    adults_with_elders: Row
    adults_without_elders: Row
    children: Row
    migrant: float
    farms: float
    education_years: Education
    ability_deviation: float
    ability_per_year: float
    kin: tuple[float, float]
    remittance: Remittance
    savings_months: LogNormal
    housing_grades: Places


class Need(Places, Sourced):
    """The local line by region, yuan a month, and what a further member adds."""

    further_member: float


class Swing(Strict):
    """Deviation of monthly informal pay: `scale * (base + slope * vulnerability)`."""

    scale: float
    base: float
    slope: float


class Vulnerability(Strict):
    """How unsteady informal work is, from ability: a logistic curve."""

    steepness: float
    shift: float


class Idle(Strict):
    """A month with little work: its chance, and the share of pay that is left."""

    base: float
    slope: float
    pays: float


class MigrantSeason(Strict):
    """Pay of migrant work in the month before, of and after the Spring Festival."""

    before: float
    trough: float
    after: float


class Loss(Strict):
    """Monthly chance to lose work, and what multiplies it."""

    formal: float
    informal: float
    frailty: float
    shift: float
    illness: float


class Search(Strict):
    """Monthly chance to find work again, falling with the months of search."""

    floor: float
    start: float
    slope: float
    education: float
    frailty: float


class Benefit(Strict):
    """Unemployment benefit of those who register."""

    months: int
    share_of_line: float


class Farm(LogNormal):
    """Monthly farm income, and what a cyclone leaves of it."""

    damaged: float
    damaged_months: int


class Work(Sourced):
    """Earning."""

    wage: Row
    participation: float
    formal_share: Residence
    formal_premium: float
    persistence: float
    persistent_step: float
    formal_swing: float
    informal_swing: Swing
    vulnerability: Vulnerability
    idle: Idle
    migrant_season: MigrantSeason
    informal_trough: float
    loss: Loss
    search: Search
    formal_again: float
    registered: float
    benefit: Benefit
    pension: Places
    farm: Farm
    farm_season: Row


class Admission(Strict):
    """Monthly rate of admissions, and weights of elders and children."""

    rate: float
    frailty: float
    shift: float
    elder: float
    child: float


class OwnShare(Strict):
    """Share of a bill that the household bears."""

    employee: float
    resident: float
    far: float
    aided: float


class Serious(LogNormal):
    """Illness that stays: monthly rate, cost, end."""

    rate: float
    elder: float
    ends: float
    own_share: float


class Outpatient(Strict):
    """Own cost of a month without admission, for two members."""

    log_mean: float
    frailty: float
    deviation: float


class Health(Sourced):
    """Illness and its costs."""

    admission: Admission
    bill: LogNormal
    far: float
    own_share: OwnShare
    serious: Serious
    outpatient: Outpatient


class Death(Strict):
    """Monthly chance of a death, and the funeral."""

    rate: float
    elder: float
    frailty: float
    funeral: float


class Disability(Strict):
    """Monthly chance of a new disability, and its monthly cost."""

    rate: float
    care: float


class Demography(Sourced):
    """Members who come and go."""

    death: Death
    disability: Disability
    birth: float
    divorce: float


class School(Sourced):
    """Costs of a term by stage, and when they fall due."""

    term: tuple[float, float, float, float]
    scale: float
    spread: Row
    helped: float
    ages: tuple[int, int, int, int, int]


class Disasters(Sourced):
    """Cyclones by month, and what they do."""

    cyclone: Row
    region: Row
    house_damage: float
    urban: float
    repair: LogNormal


class Condition(Strict):
    """Hardship is a flow and a stock below these shares of need."""

    flow: float
    stock: float


class Buffer(Strict):
    """Savings held to be enough, in months of need, and the share of what is above that is spent each month."""

    months: float
    spends: float


class Living(Sourced):
    """Consumption, savings, and when it is hardship."""

    consumption_of_need: float
    consumption_of_surplus: float
    kin_limit: float
    savings_floor: float
    savings_cap: float
    condition: Condition
    onset_months: int
    exit_months: int
    smoothing_months: int
    buffer: Buffer


class Assistance(Sourced):
    """How households come to assistance, what it pays, and how they leave."""

    application: float
    take_up: float
    low_income: float
    leaves_above: float
    leaves: float
    pays_up_to: float
    review_months: int


class Help(Sourced):
    """What a visit leads to: the chance that assistance starts at once, and a single grant in months of need."""

    granted: float
    grant_months: float


class Power(Sourced):
    """Monthly use of electricity."""

    base_kwh: float
    size: float
    income: float
    noise: float
    season: Row
    arrears: float
